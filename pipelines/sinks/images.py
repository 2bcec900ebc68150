"""What the sinks of images share: rows are put together into images, which come out in the order of their indices."""

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
    """Base of the image sinks. A format implements `image`, and may look at every chunk in `rows`.

    Args:
        path: the file, or "-" for standard output.
        codec: of the model, `Pixels`.
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
        """Take the next whole image: levels (C, H, W) int16, -1 in what lies below its `rows` rows."""

    def rows(self, chunk: Chunk) -> None:
        """Take new rows, which have been put into `pending`."""

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
        """(index, image, rows) of what has been begun and not been handed to `image`, in order."""
        return [(index, self.pending[index], self.heights[index]) for index in sorted(self.pending)]
