"""PNG pictures: one page with all images, or one file per image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipelines.grids import enlarge, enlargement, image_grid, page_of, picture, require_picture
from pipelines.sinks.base import NothingToWriteError, SinkRequest
from pipelines.sinks.images import ImageSink
from pipelines.sinks.names import indexed_name, is_pattern, require_pattern
from seqgen.codecs import Codec
from seqgen.data.enlarged import NOTE, Page
from seqgen.errors import optional_integer
from seqgen.files import replace_whole, require_folder


def write_png(pixels: np.ndarray, file: Any, page: Page | None = None) -> None:
    """Write (H, W) grey or (H, W, 3) RGB uint8 to an open binary file, with a note of the layout if it is given."""
    from PIL import Image, PngImagePlugin

    notes = PngImagePlugin.PngInfo()
    if page is not None:
        notes.add_text(NOTE, page.note())
    Image.fromarray(pixels).save(file, format="PNG", pnginfo=notes)


class PNGGridSink(ImageSink):
    """Collects all images and writes them as one page at the end (`pipelines.grids`).

    Pixels not drawn because of Ctrl-C are dark blue. A note in the file describes the layout, so that
    `seqgen.data.images.read_images` and `read_prompt` read the images and not the enlarged pixels.

    Args:
        path: the file. codec: that of the model.
        scale: side of the square drawn for each pixel; None is a viewable size.
        per_row: images per row; None makes the page nearly square.
    """

    def __init__(
        self, path: str | Path, codec: Codec, *, scale: int | None = None, per_row: int | None = None
    ) -> None:
        super().__init__(path, codec)
        require_picture(codec)
        self._scale = enlargement(scale, codec)
        self._per_row = optional_integer("per_row", per_row, low=1)
        self._images: list[np.ndarray] = []

    @classmethod
    def for_request(cls, request: SinkRequest) -> ImageSink:
        """Create a sink for one page, or for one file per image if the name is a pattern."""
        if not is_pattern(request.path):
            return PNGGridSink(request.path, request.codec, **request.options)
        return PNGFilesSink(request.path, request.codec, scale=request.options.get("scale"))

    def image(self, index: int, image: np.ndarray, rows: int) -> None:
        self._images.append(image.astype(np.uint8) if rows == image.shape[1] else image)

    def finish(self) -> None:
        images = self._images + [image for _, image, _ in self.unfinished()]
        if not images:
            raise NothingToWriteError(f"there is no image to write to {self.path}")
        page = page_of(images, self.codec, self._per_row, self._scale)
        write_png(image_grid(images, self.codec, page.across, page.scale), self.file, page)


class PNGFilesSink(ImageSink):
    """Writes every image to its own file as soon as it is complete; incomplete images are not written.

    Args:
        path: a name with the index in braces, such as "digit-{index:05d}.png".
        codec: that of the model.
        scale: side of the square drawn for each pixel; None is 1.
    """

    def __init__(self, path: str | Path, codec: Codec, *, scale: int | None = None) -> None:
        super().__init__(path, codec)
        require_picture(codec)
        self._scale = enlargement(scale, codec) or 1
        require_pattern(path)

    def image(self, index: int, image: np.ndarray, rows: int) -> None:
        whole = picture(image, self.codec)[:rows]
        with replace_whole(indexed_name(self.path, index)) as temporary, open(temporary, "wb") as file:
            write_png(enlarge(whole, self._scale), file, page_of([image], self.codec, scale=self._scale))

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[Any] | None]:  # type: ignore[override]  # one file per image
        require_folder(indexed_name(self.path, 0))
        yield None
