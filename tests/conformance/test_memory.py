"""An endless stream runs in constant memory."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from seqgen.streaming import Stream

BATCH = 3
LIMIT = 15_000  # bytes


@pytest.mark.serial
@pytest.mark.parametrize("length", [None, 50], ids=["one endless sample", "samples without end"])
def test_memory_does_not_grow_with_what_was_delivered(case, engine, length):
    if engine in (case.reference, "fixed-point"):
        pytest.skip("the engine is too slow, and what could grow is common to all engines")
    if length is None and case.ends:
        pytest.skip("the samples of this model end")
    request = dict(case.everything()) if length else {}
    size, first, more = (50, 300, 300) if length else (500, 100, 400)
    stream = case.stream(engine, None, length, batch=BATCH, chunk=size, threads=1, **request)
    deliver(stream, 30)
    gc.collect()
    gc.freeze()  # existing objects need not be traversed again
    tracemalloc.start()
    try:
        # permanent objects such as free lists are traced as soon as they are allocated again
        memory, objects = deliver(stream, first)
        memory_after, objects_after = deliver(stream, more)
        if memory_after - memory >= LIMIT:
            # an allocator that keeps a little more once is not a leak; a leak repeats
            memory, objects = memory_after, objects_after
            memory_after, objects_after = deliver(stream, more)
    finally:
        tracemalloc.stop()
        gc.unfreeze()
        stream.close()
    assert memory_after - memory < LIMIT, f"{memory_after - memory} bytes more"
    assert objects_after - objects < 60, f"{objects_after - objects} objects more"


def deliver(stream: Stream, chunks: int) -> tuple[int, int]:
    """Take this many chunks; return the memory and the number of objects in use afterwards."""
    for _ in range(chunks):
        next(stream)
    gc.collect()
    return tracemalloc.get_traced_memory()[0], len(gc.get_objects())
