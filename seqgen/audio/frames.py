"""A sliding window over the features of a sample, read from their source as generation reaches them.

Legend: F frames, M features of a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seqgen.conditions.audio import AudioConditions, FrameSource


class FrameWindow:
    """The frames of one lane that are needed at a time; earlier frames are discarded.

    Args:
        source, conditions: those of the lane. watch: called with frames (n, M) as they are read.

    Attributes:
        end: F once known, that is, when the source first returned fewer frames than requested.
    """

    def __init__(
        self,
        source: FrameSource,
        conditions: AudioConditions,
        watch: Callable[[np.ndarray], Any] | None = None,
    ) -> None:
        self._source, self._conditions, self._watch = source, conditions, watch
        self._samples: int | None = getattr(source, "samples", None)
        self._begin, self._kept = 0, np.zeros((0, source.width), np.float32)
        self._floor: int | None = None
        self.end: int | None = None

    def samples(self, hop: int) -> int | None:
        """Return the number of samples of the lane once known: at most `hop` for each frame."""
        ends = [self._samples, None if self.end is None else self.end * hop]
        return min((end for end in ends if end is not None), default=None)

    def hold(self, begin: int) -> None:
        """From now on keep the frames from `begin` on, so that `read` may return to them."""
        self._floor = max(begin, 0)

    def read(self, begin: int, end: int) -> np.ndarray:
        """Return frames [begin, end) as float32 (end - begin, M), padded with zeros before the first and after the
        last.

        `begin` must not decrease between calls, except to the frame given to `hold`.
        """
        low = max(begin, 0)
        first = low if self._floor is None else min(low, self._floor)
        if first > self._begin:
            self._begin, self._kept = first, self._kept[first - self._begin :]
        there = self._begin + len(self._kept)
        if self.end is None and there < end:
            given = np.asarray(self._source.read(there, end - there))
            # for no frames, any empty array will do
            new = self._conditions.checked_frames(given[: end - there]) if given.size else self._kept[:0]
            if self._watch is not None:
                self._watch(new)
            # assigned together, as an interrupt may come after any call
            kept, ended = np.concatenate([self._kept, new]), len(new) < end - there
            self._kept, self.end = kept, there + len(new) if ended else None
        wanted = np.zeros((end - begin, self._source.width), np.float32)
        known = self._kept[low - self._begin : max(low, end) - self._begin]
        wanted[low - begin : low - begin + len(known)] = known
        return wanted
