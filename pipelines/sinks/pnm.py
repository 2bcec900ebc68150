"""Portable graymaps and pixmaps (PGM, PPM): concatenated images, as read by netpbm, ffmpeg and others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.grids import picture, require_picture
from pipelines.sinks.base import SinkRequest
from pipelines.sinks.images import ImageSink
from seqgen.codecs import Codec
from seqgen.errors import SeqgenError


class PNMSink(ImageSink):
    """Writes each complete image as "P5" (grey) or "P6" (RGB) with 8 bits per colour, concatenated.

    Incomplete images are not written.

    Args:
        path: the file, or "-" for standard output.
        codec: that of the model.
        suffix: ".pgm" for grey, ".ppm" for RGB, or ".pnm" for both; None is that of the name.
    """

    def __init__(self, path: str | Path, codec: Codec, *, suffix: str | None = None) -> None:
        super().__init__(path, codec)
        colours = require_picture(codec)[0]
        self._magic = "P5" if colours == 1 else "P6"
        wrong = {".pgm": 3, ".ppm": 1}.get(suffix or Path(path).suffix.lower())
        if wrong == colours:
            name = suffix if str(path) == "-" else path
            raise SeqgenError(
                f"{name} cannot hold images of {colours} colours; name it {'.pgm' if colours == 1 else '.ppm'}"
            )

    @classmethod
    def for_request(cls, request: SinkRequest) -> PNMSink:
        return cls(request.path, request.codec, suffix=request.suffix)

    def image(self, index: int, image: np.ndarray, rows: int) -> None:
        whole = picture(image, self.codec)[:rows]
        self.file.write(f"{self._magic}\n{whole.shape[1]} {whole.shape[0]}\n255\n".encode() + whole.tobytes())
        if str(self.path) == "-":
            self.file.flush()
