"""Images as text, row by row, live on a terminal or to a .txt file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.blocks import Painter, terminal_style
from pipelines.grids import require_picture
from pipelines.sinks.images import ImageSink
from seqgen.codecs import Codec
from seqgen.codecs.pixels import UNKNOWN
from seqgen.errors import integer
from seqgen.streaming import Chunk


class BlocksSink(ImageSink):
    """Draws images as half blocks during generation, one after another or several side by side.

    A line is final once its rows are complete; on a terminal, the incomplete line is redrawn. Images side by side are
    drawn together.

    Args:
        path: the file, or "-" for standard output.
        codec: that of the model.
        style: style of `pipelines.blocks.Painter`; None is the best that the terminal supports, and no colour in a
            file.
        side_by_side: maximum number of images side by side. count: total number of images, if known.
        columns: characters per line of the terminal; None is unlimited.
    """

    draws = True

    binary = False

    def __init__(
        self, path: str | Path, codec: Codec, *, style: str | None = None, side_by_side: int = 1,
        count: int | None = None, columns: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, codec)
        require_picture(codec)
        self._style, self._count, self._columns = style, count, columns
        self._beside = integer("side_by_side", side_by_side, low=1)
        self._first: int | None = None
        self._group: list[int] = []
        self._ready: dict[int, int] = {}
        self._images: dict[int, np.ndarray] = {}
        self._line = 0
        self._incomplete: str | None = None  # the incomplete line
        self._written = False

    def __enter__(self) -> BlocksSink:
        super().__enter__()
        self._rewrites = bool(self.file.isatty())
        if self._style is None:
            self._style = "plain" if self.codec.levels == 2 else "shades"
            if self._rewrites:
                self._style = terminal_style(self.codec.levels, self.file)
            elif "utf" not in (self.file.encoding or "utf-8").lower():
                self._style = "ascii"
        self._painter = Painter(self._style)
        self._wide = self.codec.shape[2] * self._painter.width
        if self._columns is not None:
            self._beside = max(1, min(self._beside, (self._columns + 2) // (self._wide + 2)))
            self._rewrites = self._rewrites and self._wide < self._columns
        return self

    def rows(self, chunk: Chunk) -> None:
        if self._first is None:
            self._first = chunk.index
            self._begin(chunk.index)
        if chunk.index in self._group:
            self._take(chunk.index, self.pending[chunk.index], self.heights[chunk.index])

    def image(self, index: int, image: np.ndarray, rows: int) -> None:
        self._take(index, image, image.shape[1])
        if index == self._group[-1]:
            self._end()
            self._begin(index + 1)

    def finish(self) -> None:
        if self._images:
            self._draw_to(max(self._ready.values()))
            self._end()
        for index, image, rows in self.unfinished():
            if index not in self._group:
                self._group, self._images, self._line = [index], {index: image}, 0
                self._draw_to(rows)
                self._end()

    def _begin(self, first: int) -> None:
        """Start the next group of images side by side, with the rows received so far."""
        assert self._first is not None
        left = self._beside if self._count is None else self._count - (first - self._first)
        self._group = list(range(first, first + max(1, min(self._beside, left))))
        self._line = 0
        for index in self._group:
            if index in self.pending:
                self._take(index, self.pending[index], self.heights[index])

    def _take(self, index: int, image: np.ndarray, rows: int) -> None:
        """Record the rows of an image, and write the lines that are complete."""
        self._images[index], self._ready[index] = image, rows
        whole, per_line = self.codec.shape[1], self._painter.rows
        common = min(self._ready.get(other, 0) for other in self._group)
        self._draw_to(common if common >= whole else common - common % per_line)
        if self._rewrites and self._line < max(self._ready.values()):
            self._put(self._text(self._line), end="")

    def _draw_to(self, rows: int) -> None:
        """Write the complete lines above row `rows`."""
        while self._line < rows:
            self._put(self._text(self._line), end="\n")
            self._line += self._painter.rows

    def _put(self, text: str, *, end: str) -> None:
        if self._line == 0 and self._incomplete is None and self._written:
            self.file.write("\n")
        self._written = True
        if text != self._incomplete:
            self.file.write(text if self._incomplete is None else "\r" + text)
        self._incomplete = None if end else text
        self.file.write(end)
        if str(self.path) == "-":
            self.file.flush()

    def _text(self, row: int) -> str:
        return "  ".join(self._part(self._images.get(index), row) for index in self._group).rstrip(" ")

    def _part(self, image: np.ndarray | None, row: int) -> str:
        if image is None:
            return " " * self._wide
        pair = image[:, row : row + self._painter.rows]
        drawn = (pair != UNKNOWN).all(0)
        grey = self.codec.to_grey(np.where(pair == UNKNOWN, 0, pair))
        if pair.shape[1] == 1:
            return self._painter.line(grey[:, 0], None, np.concatenate([drawn, np.zeros_like(drawn)]))
        return self._painter.line(grey[:, 0], grey[:, 1], drawn)

    def _end(self) -> None:
        """Complete the last line, and discard the images."""
        if self._incomplete is not None:
            self.file.write("\n")
            self._incomplete = None
        self._images, self._ready = {}, {}
