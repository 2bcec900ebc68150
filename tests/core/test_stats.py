"""Statistics of a stream: counts, rate, time to the first symbol and gaps, in constant memory."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen import stats
from seqgen.stats import StreamStats


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stats.time, "perf_counter", clock)
    return clock


def deliver(
    figures: StreamStats, clock: Clock, *, waited: float, symbols: int = 4, last: bool = False
) -> None:
    since = figures.requested()
    clock.now += waited
    figures.delivered(since, symbols, last)


def test_nothing_is_known_before_the_first_chunk():
    figures = StreamStats()
    assert figures.rate == 0.0
    assert figures.time_to_first is None
    assert figures.gap_p50 is None
    assert figures.gap_p99 is None


def test_counts_and_rate_are_of_producing_time_only(clock):
    figures = StreamStats()
    for k in range(5):
        deliver(figures, clock, waited=0.5, symbols=10, last=k % 2 == 0)
        clock.now += 100.0
    assert (figures.symbols, figures.chunks, figures.samples) == (50, 5, 3)
    assert figures.seconds == pytest.approx(2.5)
    assert figures.rate == pytest.approx(20.0)


def test_the_time_to_the_first_symbol_skips_empty_chunks(clock):
    figures = StreamStats()
    deliver(figures, clock, waited=1.0, symbols=0)
    clock.now += 0.25
    deliver(figures, clock, waited=2.0, symbols=1)
    deliver(figures, clock, waited=9.0, symbols=1)
    assert figures.time_to_first == pytest.approx(3.25)


def test_quantiles_of_gaps_are_exact_to_their_bucket(clock):
    figures = StreamStats()
    gaps = np.random.default_rng(0).lognormal(-7, 1.5, 4000)
    for gap in (0.0, *gaps):
        deliver(figures, clock, waited=float(gap))
    for quantile in (0.05, 0.5, 0.99):
        assert figures.gap(quantile) == pytest.approx(np.quantile(gaps, quantile), rel=0.1)
    assert (figures.gap_p50, figures.gap_p99) == (figures.gap(0.5), figures.gap(0.99))


def test_the_consumers_own_time_counts_as_gap(clock):
    figures = StreamStats()
    for _ in range(3):
        deliver(figures, clock, waited=0.0)
        clock.now += 8.0
    assert figures.gap_p50 == pytest.approx(8.0, rel=0.1)


def test_a_gap_of_zero_is_counted(clock):
    figures = StreamStats()
    deliver(figures, clock, waited=0.0)
    deliver(figures, clock, waited=0.0)
    assert figures.gap_p50 == pytest.approx(1e-9, rel=0.1)


def test_memory_does_not_grow_with_the_number_of_chunks(clock):
    figures = StreamStats()
    for gap in np.random.default_rng(0).lognormal(-7, 1, 20_000):
        deliver(figures, clock, waited=float(gap))
    assert len(figures._gaps) < 150


def test_figures_come_as_json_values(clock):
    figures = StreamStats()
    deliver(figures, clock, waited=0.5, last=True)
    assert figures.as_dict() == {
        "symbols": 4, "chunks": 1, "samples": 1, "seconds": 0.5, "rate": 8.0, "time_to_first": 0.5,
        "gap_p50": None, "gap_p99": None,
    }  # fmt: skip
    assert "_gaps" not in repr(figures)
