"""Progress on standard error: one line that is updated on a terminal, and the measured rate at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pipelines.operators.paced import Paced
from seqgen.stats import StreamStats
from seqgen.streaming import Stream


class StreamProgress:
    """Show the progress of a stream. The line is not updated while samples are printed to the terminal (`live`).

    For a `paced` stream, the number of underruns is shown too.

    Args:
        stream: the stream that is drained. amount: formats the amount, from the stats and the symbols per second.
        live: whether the samples go to the terminal. quiet: whether to print nothing. seed: the seed to print.
        lanes: number of lanes. paced: the stage that delivers the stream in real time, if any.
    """

    def __init__(
        self, stream: Stream, amount: Callable[[StreamStats, float], str], *, live: bool, quiet: bool, seed: int,
        lanes: int = 1, paced: Paced | None = None,
    ) -> None:  # fmt: skip
        self._amount, self._paced = amount, paced
        self._stream, self._quiet, self._seed, self._lanes = stream, quiet, seed, lanes
        self._first = (0, 0.0)
        self._rewrite = not quiet and not live and sys.stderr.isatty()
        self._shown = 0.0

    def __enter__(self) -> Self:
        return self

    def update(self) -> None:
        """Call after each chunk."""
        stats = self._stream.stats
        if stats.chunks == self._lanes:
            self._first = (stats.symbols, stats.seconds)
        if self._rewrite and time.monotonic() - self._shown > 0.2:
            self._shown = time.monotonic()
            sys.stderr.write(f"\r\033[K{self._line()}")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._quiet or (kind is not None and not issubclass(kind, KeyboardInterrupt)):
            return
        start = "\r\033[K" if self._rewrite else "\n" if sys.stderr.isatty() and kind is not None else ""
        stats = self._stream.stats
        first = "" if stats.time_to_first is None else f", first after {stats.time_to_first * 1000:.0f} ms"
        sys.stderr.write(
            f"{start}{self._line()}{first}{self._underruns()} (engine {self._stream.engine}, seed {self._seed})\n"
        )
        sys.stderr.flush()

    def _rate(self) -> float:
        """Symbols per second; with several lanes, without the first chunk of each if there are more."""
        stats = self._stream.stats
        if self._lanes == 1:
            return stats.rate
        symbols, seconds = self._first if stats.chunks > self._lanes else (0, 0.0)
        return (stats.symbols - symbols) / max(stats.seconds - seconds, 1e-9)

    def _line(self) -> str:
        return self._amount(self._stream.stats, self._rate())

    def _underruns(self) -> str:
        if self._paced is None:
            return ""
        count, starved = self._paced.underruns, self._paced.starved
        if not count:
            return ", no underruns"
        return f", {count:,} underrun{'s' if count > 1 else ''} ({starved * 1000:,.0f} ms)"
