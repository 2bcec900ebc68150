"""The base of image sinks, which assembles rows into images and passes these on in index order."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np

from pipelines.sinks.base import Sink
from seqgen.codecs import Codec
from seqgen.codecs.pixels import UNKNOWN, Pixels
from seqgen.errors import SeqgenError
from seqgen.streaming import Chunk


class ImageSink(Sink):
    """Base class of image sinks. A format implements `image`, and may process every chunk in `rows`.

    Args:
        path: the file, or "-" for standard output.
        codec: that of the model, `Pixels`.
    """

    binary = True
    codec: Pixels

    def __init__(self, path: str | Path, codec: Codec) -> None:
        if codec.medium != "image":
            raise SeqgenError(f"this format holds images, the model makes {codec.unit}")
        super().__init__(path, codec)
        self.pending: dict[int, np.ndarray] = {}
        self.heights: dict[int, int] = {}
        self._complete: set[int] = set()
        self.next: int | None = None

    @abstractmethod
    def image(self, index: int, image: np.ndarray, rows: int) -> None:
        """Write the next complete image: levels (C, H, W) int16, with -1 below its `rows` rows."""

    def rows(self, chunk: Chunk) -> None:
        """Process new rows, which are already in `pending`."""

    def write(self, chunk: Chunk) -> None:
        index = chunk.index
        if self.next is None:
            self.next = index
        if index not in self.pending:
            self.pending[index] = np.full(self.codec.shape, UNKNOWN, np.int16)
            self.heights[index] = 0
        end = chunk.offset + chunk.data.shape[1]
        self.pending[index][:, chunk.offset : end] = chunk.data
        self.heights[index] = end
        if chunk.last:
            self._complete.add(index)
        self.rows(chunk)
        while self.next in self._complete:
            self._complete.discard(self.next)
            self.image(self.next, self.pending.pop(self.next), self.heights.pop(self.next))
            self.next += 1

    def unfinished(self) -> list[tuple[int, np.ndarray, int]]:
        """Return (index, image, rows) of the incomplete images, in index order."""
        return [(index, self.pending[index], self.heights[index]) for index in sorted(self.pending)]
