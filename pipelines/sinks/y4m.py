"""YUV4MPEG2 video of images, row by row as drawn or one per frame, for ffmpeg, mpv and others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.grids import enlarge, enlargement, require_picture
from pipelines.sinks.images import ImageSink
from seqgen.codecs import Codec
from seqgen.codecs.pixels import UNKNOWN
from seqgen.errors import choice, integer
from seqgen.streaming import Chunk

_WIDTH = 224
_UNKNOWN = 48  # grey of pixels that are not drawn yet
# ITU-R BT.601, full range: rows Y, Cb, Cr
_YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


class Y4MSink(ImageSink):
    """Writes frames of full range (0 to 255): Cmono for grey images, C444 (BT.601) for RGB.

    Args:
        path: the file, or "-" for standard output.
        codec: that of the model.
        scale: side of the square drawn for each pixel; None makes frames at least 224 pixels wide.
        fps: frames per second.
        frames: "rows" writes a frame after every row of every image; "images" one frame per image.
    """

    def __init__(
        self, path: str | Path, codec: Codec, *, scale: int | None = None, fps: int = 25, frames: str = "rows"
    ) -> None:
        super().__init__(path, codec)
        colours, rows, columns = require_picture(codec)
        self._scale = enlargement(scale, codec) or -(-_WIDTH // columns)
        self._live = choice("frames", frames, ("rows", "images")) == "rows"
        self._shown = 0
        fps = integer("fps", fps, low=1)
        layout = "mono" if colours == 1 else "444"
        size = f"W{columns * self._scale} H{rows * self._scale}"
        self._header = f"YUV4MPEG2 {size} F{fps}:1 Ip A1:1 C{layout} XCOLORRANGE=FULL\n"

    def __enter__(self) -> Y4MSink:
        super().__enter__()
        self.file.write(self._header.encode())
        return self

    def rows(self, chunk: Chunk) -> None:
        if self._live and chunk.index == self.next:
            self._show(self.pending[chunk.index], self.heights[chunk.index])

    def image(self, index: int, image: np.ndarray, rows: int) -> None:
        if self._live:
            self._show(image, rows)
            self._shown = 0
        else:
            self._frame(image)

    def finish(self) -> None:
        for index, image, rows in self.unfinished():
            if self._live:
                self.image(index, image, rows)

    def _show(self, image: np.ndarray, rows: int) -> None:
        """Write the frames up to that with `rows` rows: one per row, independently of chunks and batch."""
        for row in range(self._shown, rows):
            so_far = image.copy()
            so_far[:, row + 1 :] = UNKNOWN
            self._frame(so_far)
        self._shown = max(self._shown, rows)

    def _frame(self, image: np.ndarray) -> None:
        known = image != UNKNOWN
        planes = np.where(known, self.codec.to_grey(np.where(known, image, 0)), _UNKNOWN)
        if len(planes) == 3:
            planes = np.tensordot(_YCBCR, planes, (1, 0))
            planes[1:] += 128.0
            planes = np.clip(np.rint(planes), 0, 255)
        self.file.write(b"FRAME\n")
        for plane in planes.astype(np.uint8):
            self.file.write(enlarge(plane, self._scale).tobytes())
        if str(self.path) == "-":
            self.file.flush()
