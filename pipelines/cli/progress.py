"""Progress on standard error: one line that is rewritten on a terminal, and the measured rate at the end."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from pipelines.operators.paced import Paced
from seqgen.codecs import Audio, Pixels
from seqgen.streaming import Stream


class StreamProgress:
    """Shows what a stream has made; nothing is rewritten while the samples themselves scroll by (`live`).

    Of a `paced` stream it also says how often the player had to wait.
    """

    def __init__(
        self, stream: Stream, *, live: bool, quiet: bool, seed: int, lanes: int = 1, paced: Paced | None = None
    ) -> None:  # fmt: skip
        self._paced = paced
        self._stream, self._quiet, self._seed, self._lanes = stream, quiet, seed, lanes
        self._round = (0, 0.0)
        self._rewrite = not quiet and not live and sys.stderr.isatty()
        self._shown = 0.0

    def __enter__(self) -> Self:
        return self

    def update(self) -> None:
        """Call after each chunk."""
        stats = self._stream.stats
        if stats.chunks == self._lanes:
            self._round = (stats.symbols, stats.seconds)
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
        sys.stderr.write(
            f"{start}{self._line()}{first}{self._waits()} (engine {self._stream.engine}, seed {self._seed})\n"
        )
        sys.stderr.flush()

    def _rate(self) -> float:
        """Symbols a second, without the first round of all lanes where there are more."""
        stats = self._stream.stats
        if self._lanes == 1:
            return stats.rate
        symbols, seconds = self._round if stats.chunks > self._lanes else (0, 0.0)
        return (stats.symbols - symbols) / max(stats.seconds - seconds, 1e-9)

    def _line(self) -> str:
        stats, codec = self._stream.stats, self._stream.codec
        if isinstance(codec, Pixels):
            _, rows, columns = codec.shape
            return (
                f"{stats.samples:,} image{'s' if stats.samples != 1 else ''}, {stats.symbols * columns:,} pixels, "
                f"{self._rate() / rows:,.1f} images/s, {self._rate() * columns:,.0f} pixels/s"
            )
        if isinstance(codec, Audio):
            done = f"{stats.samples:,} recordings, " if stats.samples > 1 else ""
            rate = self._rate()
            return (
                f"{done}{stats.symbols / codec.sample_rate:,.1f} s of audio, {rate:,.0f} samples/s, "
                f"{rate / codec.sample_rate:.2f}× real time"
            )
        samples = f"{stats.samples:,} sample{'s' if stats.samples != 1 else ''}, " if stats.samples else ""
        return f"{samples}{stats.symbols:,} {codec.unit}, {self._rate():,.0f} {codec.unit}/s"

    def _waits(self) -> str:
        if self._paced is None:
            return ""
        count, starved = self._paced.underruns, self._paced.starved
        if not count:
            return ", no underruns"
        return f", {count:,} underrun{'s' if count > 1 else ''} ({starved * 1000:,.0f} ms)"
