"""Progress on standard error: one line that is rewritten on a terminal, and the measured rate at the end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from seqgen.streaming import Stream


class StreamProgress:
    """Shows what a stream has made; nothing is rewritten while the samples themselves scroll by (`live`)."""

    def __init__(self, stream: Stream, *, live: bool, quiet: bool, seed: int) -> None:
        self._stream, self._quiet, self._seed = stream, quiet, seed
        self._rewrite = not quiet and not live and sys.stderr.isatty()
        self._shown = 0.0

    def __enter__(self) -> Self:
        return self

    def update(self) -> None:
        """Call after each chunk."""
        if self._rewrite and time.monotonic() - self._shown > 0.2:
            self._shown = time.monotonic()
            sys.stderr.write(f"\r\033[K{self._line()}")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._quiet or (kind is not None and kind is not KeyboardInterrupt):
            return
        start = "\r\033[K" if self._rewrite else "\n" if sys.stderr.isatty() and kind is not None else ""
        stats = self._stream.stats
        first = "" if stats.time_to_first is None else f", first after {stats.time_to_first * 1000:.0f} ms"
        sys.stderr.write(f"{start}{self._line()}{first} (engine {self._stream.engine}, seed {self._seed})\n")
        sys.stderr.flush()

    def _line(self) -> str:
        stats, unit = self._stream.stats, self._stream.codec.unit
        samples = f"{stats.samples:,} sample{'s' if stats.samples != 1 else ''}, " if stats.samples else ""
        return f"{samples}{stats.symbols:,} {unit}, {stats.rate:,.0f} {unit}/s"
