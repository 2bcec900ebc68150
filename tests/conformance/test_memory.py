"""An endless stream runs in constant memory."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

SYMBOLS = {"numba": (200_000, 30_000), "torch": (600, 600)}
CHUNK = {"numba": 100, "torch": 10}


@pytest.mark.parametrize("length", [None, 50], ids=["one endless sample", "samples without end"])
def test_memory_does_not_grow_with_the_symbols_delivered(case, engine, length):
    if case.ends and length is None:
        pytest.skip("the samples of this model end")
    request = dict(case.everything()) if length else {}
    batch = 4
    stream = case.stream(engine, None, length, batch=batch, chunk=CHUNK[engine], **request)
    deliver(stream, 10 * batch)
    gc.collect()
    tracemalloc.start()
    try:
        deliver(stream, 5 * batch)
        gc.collect()
        before, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
        until = stream.stats.symbols + SYMBOLS[engine][length is not None]
        while stream.stats.symbols < until:
            deliver(stream, 2 * batch)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        more = len(gc.get_objects()) - objects
    finally:
        tracemalloc.stop()
        stream.close()
    assert grown < 40_000, f"{grown} bytes more"
    assert more < 100, f"{more} objects more"


def deliver(stream, count: int) -> None:
    for _ in range(count):
        next(stream)
