"""The fastest way of running a peer: which of several loops, on how many threads, compiled or not."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.machine import overridden
from benchmarks.side_by_side import Work, limited_threads, rate_of, short

TRIES = 3
COMPILE = (
    "SEQGEN_BENCH_COMPILE"  # set by `make bench-all`: torch.compile is also tried where it takes minutes
)


class Way(NamedTuple):
    """The fastest way of several.

    Attributes:
        name: its name. work: does it. threads: with which it is fastest.
        note: the units per second of every way that was tried, for the report.
    """

    name: str
    work: Work
    threads: int
    note: str


def fastest_way(
    ways: Mapping[str, Work], threads: Sequence[int], compiled: Mapping[str, Callable[[], Work]] | None = None
) -> Way:
    """Try every way on every number of threads: the best of three alternating tries each.

    Args:
        ways: names and loops.
        threads: numbers to try.
        compiled: names and functions that return a loop with torch.compile, which is tried on the number of threads
            with which the others are fastest, because it compiles for that number. Its first call is not timed.
    """
    rates: dict[tuple[str, int], float] = {}
    works = dict(ways)

    def attempt(names: Sequence[str], numbers: Sequence[int]) -> tuple[str, int]:
        for _ in range(TRIES):
            for name in names:
                for number in numbers:
                    with limited_threads(number):
                        rates[name, number] = max(rates.get((name, number), 0.0), rate_of(works[name]))
        return max(rates, key=lambda key: rates[key])

    best = attempt(list(ways), sorted(set(threads)))
    for name, make in (compiled or {}).items():
        with limited_threads(best[1]):
            works[name] = make()
            works[name]()
        best = attempt([name], [best[1]])
    return Way(best[0], works[best[0]], best[1], _note(rates))


def compiling() -> bool:
    """Return whether torch.compile is also tried where it takes long and gains little.

    It makes code for this CPU, so it is not tried where another one is emulated.
    """
    return os.environ.get(COMPILE) == "1" and not overridden()


def _note(rates: Mapping[tuple[str, int], float]) -> str:
    """Return "peers tried, by threads: eager 108/s on 1, 76/s on 2; compiled 120/s on 1", empty for a single rate."""
    if len(rates) < 2:
        return ""
    parts: dict[str, list[str]] = {}
    for (name, number), rate in rates.items():
        parts.setdefault(name, []).append(f"{short(rate)}/s on {number}")
    if len(parts) == 1:
        return f"peer tried: {', '.join(*parts.values())} threads"
    words = "; ".join(f"{name} {', '.join(found)}" for name, found in parts.items())
    return f"peers tried, by threads: {words}"
