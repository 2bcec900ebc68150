"""Features that arrive during generation: one thread pushes frames, the stream reads them as needed."""

from __future__ import annotations

from threading import Condition
from typing import Any

import numpy as np

from seqgen.arrays import as_array
from seqgen.errors import SeqgenError, integer


class LiveFeatures:
    """A queue of frames (n, width), which is the condition of one sample.

    A stream requests the frames of a chunk and one or two beyond it, and waits for them; the sample ends with the
    features. Frames before the current position are discarded, so that memory is bounded.

    Args:
        width: numbers per frame.
        most: capacity in frames; `push` blocks while the queue is full, which limits a fast producer.

    Example:
        >>> live = LiveFeatures(2)
        >>> live.push([[0.0, 1.0], [2.0, 3.0]])
        >>> live.close()
        >>> live.read(1, 5).tolist()
        [[2.0, 3.0]]
    """

    def __init__(self, width: int, most: int | None = None) -> None:
        self.width = integer("width", width, low=1)
        self._most = None if most is None else integer("most", most, low=1)
        self._begin, self._frames = 0, np.zeros((0, width), np.float32)
        self._wanted = 0
        self._closed = False
        self._changed = Condition()

    def push(self, frames: Any) -> None:
        """Add frames (n, width).

        Raises:
            SeqgenError: after `close`.
            ValueError: if frames have another width or are not finite.
        """
        array = as_array("frames", frames)
        if array.ndim != 2 or array.shape[1] != self.width or array.dtype.kind not in "iuf":
            raise ValueError(
                f"frames must be numbers of the shape (n, {self.width}), got {array.dtype} {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError("frames must be finite, got NaN or infinity")
        with self._changed:
            while not self._closed and self._full():
                self._changed.wait()
            if self._closed:
                raise SeqgenError("the features are closed; make new ones for the next sample")
            self._frames = np.concatenate([self._frames, array.astype(np.float32)])
            self._changed.notify_all()

    def close(self) -> None:
        """Mark the end of the features: the sample ends with the last frame."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def read(self, begin: int, count: int) -> np.ndarray:
        """Wait for and return frames [begin, begin + count), fewer only at the end; discard those before `begin`."""
        with self._changed:
            if begin < self._begin:
                raise SeqgenError(
                    f"frame {begin} was discarded, the features continue at frame {self._begin}; live features are the "
                    "condition of one sample only, and a restored stream needs features that start at its position"
                )
            drop = min(begin - self._begin, len(self._frames))
            self._frames, self._begin = self._frames[drop:], self._begin + drop
            self._wanted = begin + count
            self._changed.notify_all()
            while not self._closed and self._begin + len(self._frames) < begin + count:
                self._changed.wait()
            first = begin - self._begin
            return self._frames[max(first, 0) : max(first, 0) + count].copy()

    def __reduce__(self) -> Any:
        raise TypeError("LiveFeatures cannot be pickled: they arrive in this process; stream from them here")

    def _full(self) -> bool:
        """Return whether a push must wait: the queue is full, and the reader does not wait for further frames."""
        ahead = self._begin + len(self._frames)
        return self._most is not None and len(self._frames) >= self._most and ahead >= self._wanted
