"""Latency of streams: the time between chunks, with the second core idle and with a busy process on it.

A chunk is small: a symbol of a text, a row of pixels, 100 ms of sound. Streams have their usual number of threads.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import seqgen
from benchmarks.side_by_side import fill

# family: built-in model, units of a chunk, chunk in words, number of chunks
STREAMS = {
    "markov": ("shakespeare-markov", 1, "1 word", 20_000),
    "hmm": ("weather", 1, "1 day", 20_000),
    "char-rnn": ("shakespeare", 1, "1 character", 10_000),
    "fvsbn": ("digits-fvsbn", 1, "1 row of 28 pixels", 10_000),
    "nade": ("digits-nade", 1, "1 row of 28 pixels", 10_000),
    "pixel-cnn": ("digits-pixelcnn", 1, "1 row of 28 pixels", 2_000),
    "wavenet": ("speech", 1600, "100 ms of sound", 100),
}
SECONDS = 2.5  # at most, for each half of a row


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """Keep the last core that this process may use busy within the context."""
    core = max(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile os.getppid() == {os.getpid()}: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.kill()


def gaps(name: str, chunk: int, count: int) -> np.ndarray:
    """Return the seconds between the chunks of an endless stream, without those of its beginning."""
    taken: list[float] = []
    with seqgen.stream(name, chunk=chunk, seed=3) as stream:
        for _ in range(max(3, count // 20)):
            next(stream)
        began = before = time.perf_counter()
        while len(taken) < count and before - began < SECONDS:
            next(stream)
            now = time.perf_counter()
            taken.append(now - before)
            before = now
    return np.array(taken)


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores of Linux",
)
@pytest.mark.parametrize("family", STREAMS)
def bench_gaps_beside_a_busy_core(benchmark: Any, family: str) -> None:
    name, chunk, words, count = STREAMS[family]
    found: dict[str, np.ndarray] = {}

    def run() -> None:
        found["idle"] = gaps(name, chunk, count)
        with busy_core():
            found["busy"] = gaps(name, chunk, count)

    benchmark.pedantic(run, rounds=1, warmup_rounds=0, iterations=1)
    (idle, idle_late), (busy, busy_late) = (np.percentile(found[key], (50, 99)) for key in ("idle", "busy"))
    fill(
        benchmark, family="gaps", work=f"99 % of the gaps between chunks of {words}, built-in {name}, busy core",
        unit="s", rate=float(busy_late), kind="seconds", peer="second core idle", peer_rate=float(idle_late),
        ratio=None, note=f"median {1e6 * busy:,.0f} µs, with the second core idle {1e6 * idle:,.0f} µs; "
        f"longest {1e3 * found['busy'].max():.2f} and {1e3 * found['idle'].max():.2f} ms",
        chunks={key: len(value) for key, value in found.items()},
    )  # fmt: skip
