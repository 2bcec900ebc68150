"""Timing of our code and a peer in one run: rounds of the two alternate, so that noise of the machine affects both.

A benchmark is a function with pytest-benchmark's `benchmark` fixture that first checks that both sides do the same work
and then passes both to `side_by_side`. Its row for the report is stored in `benchmark.extra_info`.

    def bench_uniforms(benchmark):
        out = np.empty(1_000_000)
        peer = np.random.Generator(np.random.Philox(0))

        def ours():
            fill_uniforms(np.uint64(0), np.uint64(0), np.uint64(0), 0, out)
            return len(out)                    # units of work done

        def theirs():
            peer.random(out=out)
            return len(out)

        side_by_side(benchmark, family="rng", work="uniforms", unit="numbers", ours=ours,
                     peer=theirs, peer_name="numpy Philox", target=1.0)
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

Work = Callable[[], int]  # does some work and returns its number of units


class Measured(NamedTuple):
    """Rates in units per second: medians over the rounds, and the best round; ratios are ours / peer."""

    rate: float
    best_rate: float
    peer_rate: float | None = None
    best_peer_rate: float | None = None
    ratio: float | None = None


def side_by_side(
    benchmark: Any,
    *,
    family: str,
    work: str,
    unit: str,
    ours: Work,
    peer: Work | None = None,
    peer_name: str = "",
    target: float | None = None,
    target_rate: float | None = None,
    engine: str = "numba",
    batch: int = 1,
    threads: int = 1,
    peer_threads: int | None = None,
    rounds: int = 5,
    limit: str = "",
    note: str = "",
    **more: Any,
) -> Measured:
    """Time `ours` and `peer` in alternating rounds and write the row of the report.

    Both run once before as a warm-up, so that compiling and first touches are not counted.

    Args:
        benchmark: pytest-benchmark's fixture. The times that it prints are those of `ours`.
        family: the model family or part of the library, "hmm", "char-rnn", "rng", …
        work: the work, as in the first column of the report.
        unit: the unit of the work, in the plural: "symbols", "words", "numbers".
        ours: does our work and returns its number of units; likewise `peer`. The two may do different amounts, each
            enough
            for some tenths of a second.
        peer: the usual alternative, or None.
        peer_name: its name in the report.
        target: required ratio, or None. target_rate: required units per second, or None.
        engine: ours. batch: samples computed together, on both sides.
        threads: of both sides; set for torch, OpenMP and BLAS, and as $SEQGEN_THREADS. A stream that is created before
            this
            call must be given the same number.
        peer_threads: if the peer uses another number, because it is faster with it (`ways.fastest_way`).
        rounds: of each side.
        limit: what bounds us on this machine and how close we are to it, in words.
        note: further information for the reader, in words.
        more: further JSON values to store in `benchmark.extra_info`.
    """
    own_rates: list[float] = []
    peer_rates: list[float] = []

    def run_peer() -> None:
        if peer is not None:
            with limited_threads(threads if peer_threads is None else peer_threads):
                peer_rates.append(rate_of(peer))

    def run_ours() -> None:
        own_rates.append(rate_of(ours))

    with limited_threads(threads):
        benchmark.pedantic(run_ours, setup=run_peer, rounds=rounds, warmup_rounds=1, iterations=1)
    own, others = own_rates[-rounds:], peer_rates[-rounds:]
    measured = Measured(statistics.median(own), max(own))
    if others:
        peer_rate = statistics.median(others)
        measured = measured._replace(
            peer_rate=peer_rate, best_peer_rate=max(others), ratio=measured.rate / peer_rate
        )
    fill(
        benchmark,
        family=family,
        work=work,
        unit=unit,
        rate=measured.rate,
        peer=peer_name,
        peer_rate=measured.peer_rate,
        ratio=measured.ratio,
        target=_wanted(target, target_rate, unit),
        met=_met(measured, target, target_rate),
        engine=engine,
        batch=batch,
        limit=limit,
        note=note,
        threads=threads,
        peer_threads=threads if peer_threads is None else peer_threads,
        best_rate=measured.best_rate,
        best_peer_rate=measured.best_peer_rate,
        rates=own,
        peer_rates=others,
        **more,
    )
    return measured


def fill(
    benchmark: Any,
    *,
    family: str,
    work: str,
    unit: str,
    rate: float,
    peer: str = "",
    peer_rate: float | None = None,
    ratio: float | None = None,
    target: str = "",
    met: bool | None = None,
    engine: str = "",
    batch: int | None = None,
    limit: str = "",
    note: str = "",
    kind: str = "rate",
    **more: Any,
) -> None:
    """Write one row for the report; `side_by_side` does it for rates.

    `kind` is that of `rate` and `peer_rate`: "rate" (units per second, more is better), "seconds" (less is better; the
    ratio is peer / ours) or "amount" (in `unit`).
    """
    benchmark.extra_info.update(
        family=family, work=work, unit=unit, rate=rate, peer=peer, peer_rate=peer_rate, ratio=ratio,
        target=target, met=met, engine=engine, batch=batch, limit=limit, note=note, kind=kind, **more,
    )  # fmt: skip


def rate_of(work: Work) -> float:
    """Return the units per second of one call."""
    began = time.perf_counter()
    units = work()
    return units / (time.perf_counter() - began)


@contextlib.contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Limit torch, OpenMP, BLAS and our own engines to this number of threads within the context."""
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    variable = os.environ.get("SEQGEN_THREADS")
    os.environ["SEQGEN_THREADS"] = str(threads)
    try:
        with threadpool_limits(threads):
            if torch:
                torch.set_num_threads(threads)
            yield
    finally:
        if torch:
            torch.set_num_threads(before)
        if variable is None:
            del os.environ["SEQGEN_THREADS"]
        else:
            os.environ["SEQGEN_THREADS"] = variable


def assert_same_distribution(ours: np.ndarray, theirs: np.ndarray, *, level: float = 1e-6) -> None:
    """Check by a two-sample chi-square test that two lists of symbols come from one distribution.

    Args:
        ours: integer symbols, any shape; likewise `theirs`. Draws should be nearly independent, so thin a
            strongly correlated sequence before.
        level: probability of a false alarm.
    """
    from scipy.stats import chi2_contingency

    size = int(max(ours.max(), theirs.max())) + 1
    table = np.stack([np.bincount(np.ravel(s), minlength=size) for s in (ours, theirs)])
    expected = table.sum(0) * (table.sum(1).min() / table.sum())  # on the smaller side
    frequent = expected >= 5
    rest = table[:, ~frequent].sum(1, keepdims=True)
    kept = np.concatenate([table[:, frequent], rest], 1) if rest.sum() >= 20 else table[:, frequent]
    assert kept.shape[1] >= 2, "both sides draw only one symbol, so there is nothing to compare"
    p = chi2_contingency(kept).pvalue
    assert p > level, f"the two sides draw from different distributions (chi-square p = {p:.1e})"


def _wanted(target: float | None, target_rate: float | None, unit: str) -> str:
    parts = []
    if target is not None:
        parts.append(f"≥ {target:g}×")
    if target_rate is not None:
        parts.append(f"≥ {short(target_rate)} {unit}/s")
    return ", ".join(parts)


def _met(measured: Measured, target: float | None, target_rate: float | None) -> bool | None:
    """Return whether the targets are met; None if there is none."""
    met = []
    if target is not None:
        met.append(measured.ratio is not None and measured.ratio >= target)
    if target_rate is not None:
        met.append(measured.rate >= target_rate)
    return all(met) if met else None


def short(value: float) -> str:
    """Format a number with three digits and k, M or G."""
    for scale, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{value / scale:.3g}{suffix}"
    return f"{value:.3g}"
