"""Statistics of a stream in constant memory: counts, rate, time to the first symbol, and gaps between chunks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from math import floor, log2

_BUCKETS_PER_OCTAVE = 8
_SHORTEST = 1e-9  # seconds


@dataclass
class StreamStats:
    """Counts and times of one stream so far.

    Attributes:
        symbols: symbols delivered. chunks: chunks delivered. samples: samples completed.
        seconds: time spent in the stream, excluding the consumer.
        time_to_first: seconds from the first request to the first chunk that contains a symbol, or None.

    Gaps are the times between deliveries, including the consumer's work. They are counted in a histogram with buckets 9
    % wide, which is also the precision of the quantiles.
    """

    symbols: int = 0
    chunks: int = 0
    samples: int = 0
    seconds: float = 0.0
    time_to_first: float | None = None
    _gaps: dict[int, int] = field(default_factory=dict, repr=False)
    _began: float | None = field(default=None, repr=False)
    _delivered: float | None = field(default=None, repr=False)
    _before: tuple[int, int, int, float] = field(default=(0, 0, 0, 0.0), repr=False)
    _first: tuple[int, float] = field(default=(0, 0.0), repr=False)

    @property
    def rate(self) -> float:
        """Symbols per second spent in the stream; after the second chunk, excluding the first and its start-up."""
        if self.chunks > 1:
            symbols, seconds = self.symbols - self._first[0], self.seconds - self._first[1]
        else:
            symbols, seconds = self.symbols, self.seconds
        return symbols / seconds if seconds > 0 else 0.0

    @property
    def gap_p50(self) -> float | None:
        """The median time between two deliveries, in seconds."""
        return self.gap(0.5)

    @property
    def gap_p99(self) -> float | None:
        """The 99th percentile of the time between two deliveries, in seconds."""
        return self.gap(0.99)

    def gap(self, quantile: float) -> float | None:
        """Return a quantile in [0, 1] of the time between deliveries, in seconds; None before the second delivery."""
        total = sum(self._gaps.values())
        if not total:
            return None
        seen = 0
        for bucket in sorted(self._gaps):
            seen += self._gaps[bucket]
            if seen >= quantile * total:
                break
        return float(2.0 ** ((bucket + 0.5) / _BUCKETS_PER_OCTAVE))

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the statistics as JSON values."""
        return {
            "symbols": self.symbols,
            "chunks": self.chunks,
            "samples": self.samples,
            "seconds": self.seconds,
            "rate": self.rate,
            "time_to_first": self.time_to_first,
            "gap_p50": self.gap_p50,
            "gap_p99": self.gap_p99,
        }

    def requested(self) -> float:
        """Record a request of the consumer and return its time."""
        now = time.perf_counter()
        if self._began is None:
            self._began = now
        self._before = (self.symbols, self.chunks, self.samples, self.seconds)
        return now

    def undo(self) -> None:
        """Take back the delivery of the chunk that was requested last, as it was interrupted."""
        self.symbols, self.chunks, self.samples, self.seconds = self._before

    def delivered(self, since: float, symbols: int, last: bool) -> None:
        """Record the delivery of a chunk that was requested at time `since`."""
        now = time.perf_counter()
        self.seconds += now - since
        self.symbols += symbols
        self.chunks += 1
        self.samples += last
        if self.chunks == 1:
            self._first = (self.symbols, self.seconds)
        if self.time_to_first is None and symbols and self._began is not None:
            self.time_to_first = now - self._began
        if self._delivered is not None:
            gap, gaps = now - self._delivered, self._gaps
            bucket = floor(log2(gap if gap > _SHORTEST else _SHORTEST) * _BUCKETS_PER_OCTAVE)
            gaps[bucket] = gaps.get(bucket, 0) + 1
        self._delivered = now
