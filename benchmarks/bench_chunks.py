"""The Python time of a chunk: of streams whose kernels take a fraction of a microsecond, with the smallest chunk.

A chunk of one symbol takes T₁ = o + s, and one of L symbols T_L = o + L s, where s is the kernel's time for a symbol.
The overhead o of a chunk is therefore (L T₁ − T_L) / (L − 1). It includes what a call of a kernel costs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import seqgen
from benchmarks.side_by_side import fill
from seqgen import FVSBN, HMM, Categorical
from seqgen.generator import Generator
from seqgen.streaming import Stream

ROUNDS, CHUNKS, SYMBOLS, TARGET = 9, 4000, 400_000, 10.0


def markov() -> Generator:
    return seqgen.load("shakespeare-markov")


def hmm() -> Generator:
    r = np.random.default_rng(0)
    emission = Categorical(r.dirichlet(np.ones(64), 16))
    return HMM(r.dirichlet(np.ones(16)), r.dirichlet(np.ones(16), 16), emission)


def fvsbn() -> Generator:
    """Return a model whose rows are short, and whose images have many of them."""
    return FVSBN(256, shape=(1, 64, 4), seed=1)


CASES: dict[str, tuple[Callable[[], Generator], str, int]] = {
    "markov": (markov, "a token of `shakespeare-markov`", 256),
    "hmm": (hmm, "a symbol of an HMM with 16 states", 256),
    "fvsbn": (fvsbn, "a row of four pixels of FVSBN", 64),
}


def seconds_of(stream: Stream, chunks: int) -> float:
    """Return the CPU seconds of this thread for a chunk, the mean of `chunks`; other processes do not count."""
    began = time.thread_time()
    for _ in range(chunks):
        next(stream)
    return (time.thread_time() - began) / chunks


@pytest.mark.parametrize("family", list(CASES))
def bench_python_of_a_chunk(benchmark: Any, family: str) -> None:
    model, what, longest = CASES[family][0](), *CASES[family][1:]
    short, long = (model.stream(seed=1, chunk=chunk, engine="numba", threads=1) for chunk in (1, longest))
    # the last chunk of a sample is shorter, so the symbols that were delivered are counted
    measured: list[tuple[float, float, float]] = []

    def run() -> None:
        one = seconds_of(short, CHUNKS)
        before = long.stats.symbols
        chunks = SYMBOLS // longest
        many = seconds_of(long, chunks)
        length = (long.stats.symbols - before) / chunks
        measured.append((one, many, length))

    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1, iterations=1)
    overheads = [(length * one - many) / (length - 1) * 1e6 for one, many, length in measured[-ROUNDS:]]
    symbols = [(many - one) / (length - 1) * 1e9 for one, many, length in measured[-ROUNDS:]]
    overhead = statistics.median(overheads)
    fill(
        benchmark, family="chunks", work=f"Python of a chunk: {what}", unit="µs", rate=overhead, kind="amount",
        target=f"≤ {TARGET:g} µs", met=overhead <= TARGET, engine="numba", batch=1,
        limit="a call of a kernel takes 1.5 to 2.5 µs for its arrays",
        note=f"{statistics.median(symbols):.0f} ns in the kernel for a symbol", best_rate=min(overheads),
        rates=overheads,
    )  # fmt: skip
    for stream in (short, long):
        stream.close()


def bench_python_of_an_image(benchmark: Any) -> None:
    """Time small images that are one chunk each; the kernel, about 0.4 µs, is included."""
    stream = FVSBN(16, seed=1).stream(seed=1, chunk=4, engine="numba", threads=1)
    times: list[float] = []
    benchmark.pedantic(
        lambda: times.append(seconds_of(stream, CHUNKS) * 1e6), rounds=ROUNDS, warmup_rounds=1, iterations=1
    )
    made = times[-ROUNDS:]
    fill(
        benchmark, family="chunks", work="an image of 4 × 4 pixels of FVSBN, one chunk", unit="µs",
        rate=statistics.median(made), kind="amount", engine="numba", batch=1, best_rate=min(made), rates=made,
        note="a sample begins and ends with every chunk; the kernel is included",
    )  # fmt: skip
    stream.close()
