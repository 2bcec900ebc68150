"""Memory of an endless stream: the resident set of the process over ten million symbols."""

from __future__ import annotations

import gc
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.side_by_side import fill
from seqgen import CharRNN, Generator, MarkovChain

SYMBOLS = 10_000_000
READINGS = 40
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the current memory of the process, or the peak where the system does not report the current value."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def models() -> dict[str, Generator]:
    """Return one model with dense state and one with tables; small, so that symbols are generated quickly."""
    return {
        "tanh RNN of 16": CharRNN("abcdefgh", cell="tanh", hidden_size=16, layers=1, seed=1),
        "order-3 Markov chain": MarkovChain(order=3).fit(["abracadabra, a bar, a cab, a car " * 20]),
    }


@pytest.mark.parametrize("name", list(models()))
def bench_endless_stream(benchmark: Any, name: str) -> None:
    """Read the resident memory 40 times during the stream; the slope is that of the last 90 % of the symbols."""
    model = models()[name]
    stream = model.stream(batch=4, chunk=1024, seed=1)
    readings: list[tuple[int, int]] = []
    seconds: list[float] = []

    def run() -> None:
        began, made = time.perf_counter(), 0
        for step in range(1, READINGS + 1):
            while made < step * SYMBOLS // READINGS:
                chunk = next(stream)
                assert not chunk.last
                made += len(chunk.data)
            readings.append((made, resident_bytes()))
        seconds.append(time.perf_counter() - began)

    gc.collect()
    benchmark.pedantic(run, rounds=1, warmup_rounds=0, iterations=1)
    stream.close()
    assert stream.stats.symbols >= SYMBOLS
    made, held = np.array(readings[READINGS // 10 :], np.float64).T
    slope = float(np.polyfit(made, held, 1)[0])
    growth = held[-1] - held[0]
    fill(
        benchmark, family="memory", work=f"memory of an endless stream over 10⁷ symbols, {name}",
        unit="bytes per 1000 symbols", rate=slope * 1000, kind="amount", target="flat: < 100",
        met=slope * 1000 < 100, engine=stream.engine, batch=4,
        limit=f"{growth / 2**20:+.1f} MiB from symbol 10⁶ to 10⁷; {held[-1] / 2**20:.0f} MiB in all",
        note=f"{SYMBOLS / seconds[0] / 1e6:.1f} M symbols/s", readings=readings,
    )  # fmt: skip
