"""PNG pictures: a page with all images, or a file for each."""

from __future__ import annotations

import contextlib
import string
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipelines.grids import enlarge, image_grid, picture, require_picture
from pipelines.sinks.images import ImageSink
from seqgen.codecs import Codec
from seqgen.errors import SeqgenError, optional_integer
from seqgen.files import replace_whole


def write_png(pixels: np.ndarray, file: Any) -> None:
    """Write (H, W) grey or (H, W, 3) RGB uint8 to an open binary file."""
    from PIL import Image

    Image.fromarray(pixels).save(file, format="PNG")


class PNGGridSink(ImageSink):
    """Gathers all images and writes them as one page at the end (`pipelines.grids`).

    What Ctrl-C left undrawn of an image is dark blue.
    """

    def __init__(self, path: str | Path, codec: Codec, *, scale: int | None = None) -> None:
        super().__init__(path, codec)
        require_picture(codec)
        self._scale = optional_integer("scale", scale, low=1)
        self._images: list[np.ndarray] = []

    def image(self, index: int, image: np.ndarray, rows: int) -> None:
        self._images.append(image.astype(np.uint8) if rows == image.shape[1] else image)

    def finish(self) -> None:
        images = self._images + [image for _, image, _ in self.unfinished()]
        if not images:
            raise SeqgenError(f"there is no image to write to {self.path}")
        write_png(image_grid(images, self.codec, scale=self._scale), self.file)


class PNGFilesSink(ImageSink):
    """Writes every image to a file of its own, as soon as it is whole; unfinished ones are left out.

    Args:
        path: a name with the index in braces, such as "digit-{index:05d}.png".
        codec: of the model.
        scale: every pixel becomes a square of so many; None is 1.
    """

    def __init__(self, path: str | Path, codec: Codec, *, scale: int | None = None) -> None:
        super().__init__(path, codec)
        require_picture(codec)
        self._scale = optional_integer("scale", scale, low=1) or 1
        names = {self._name(index) for index in (0, 1)}
        if len(names) < 2:
            raise ValueError(f"the name {str(path)!r} must contain {{index}}")

    def image(self, index: int, image: np.ndarray, rows: int) -> None:
        whole = picture(image, self.codec)[:rows]
        with replace_whole(self._name(index)) as temporary, open(temporary, "wb") as file:
            write_png(enlarge(whole, self._scale), file)

    def _name(self, index: int) -> Path:
        try:
            return Path(str(self.path).format(index=index))
        except (ValueError, LookupError) as error:
            raise ValueError(
                f"the name {str(self.path)!r} is no pattern: {error}; write for example digit-{{index:05d}}.png"
            ) from None

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[Any] | None]:  # type: ignore[override]  # there is no single file
        folder = self._name(0).parent
        if not folder.is_dir():
            raise FileNotFoundError(f"the directory {str(folder)!r} does not exist; make it first")
        yield None


def is_pattern(path: str | Path) -> bool:
    """Whether a name has a field in braces."""
    try:
        return any(field is not None for _, field, _, _ in string.Formatter().parse(str(path)))
    except ValueError:
        return True
