"""Pictures of images whose pixels are drawn as squares: the note in files written by `seqgen stream`, and the way back.

Legend: N images, C colours, H rows, W columns.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

NOTE = "seqgen"  # keyword of the text chunk of a PNG


@dataclass(frozen=True)
class Page:
    """The layout of a page of images, row by row from the top left.

    Attributes:
        height, width: rows and columns of one image. across: images per row. scale: side of the square of a pixel.
        gap: pixels between images. drawn: for each image, the number of its rows that are drawn.
    """

    height: int
    width: int
    across: int
    scale: int
    gap: int
    drawn: Sequence[int]

    def note(self) -> str:
        """Return the note for the file."""
        return json.dumps(asdict(self))

    @classmethod
    def of_note(cls, text: Any, size: tuple[int, int]) -> Page | None:
        """Return the layout that a note describes; None if it is not such a note, or is not of a picture of that size.

        Args:
            text: the note, or None. size: (rows, columns) of the picture.
        """
        try:
            found = cls(**json.loads(text))
            whole = all(isinstance(value, int) and value >= 1 for value in found._sizes()) and found.gap >= 0
            counts = all(isinstance(rows, int) and 0 <= rows <= found.height for rows in found.drawn)
            return found if whole and counts and found.drawn and found.size() == size else None
        except (TypeError, ValueError, RecursionError):
            return None

    def _sizes(self) -> tuple[int, ...]:
        return self.height, self.width, self.across, self.scale

    def size(self) -> tuple[int, int]:
        """Return (rows, columns) of the picture."""
        down = -(-len(self.drawn) // self.across)
        return (
            down * (self.height * self.scale + self.gap) - self.gap,
            self.across * (self.width * self.scale + self.gap) - self.gap,
        )

    def corner(self, number: int) -> tuple[int, int]:
        """Return the place of the upper left pixel of an image in the picture."""
        row, column = divmod(number, self.across)
        return row * (self.height * self.scale + self.gap), column * (self.width * self.scale + self.gap)

    def images(self, picture: np.ndarray) -> np.ndarray:
        """Return the images (N, C, H, W) of a page (C, rows, columns)."""
        step = self.scale
        found = []
        for number in range(len(self.drawn)):
            top, left = self.corner(number)
            found.append(
                picture[:, top : top + self.height * step : step, left : left + self.width * step : step]
            )
        return np.stack(found)


def shrunk(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Return the image (C, H, W) of size (H, W) of which a picture (C, rows, columns) is an exact integer enlargement.

    Returns:
        The image, or None if the picture is not such an enlargement.

    Example:
        >>> shrunk(np.array([[[1, 1, 2, 2], [1, 1, 2, 2]]]), (1, 2)).tolist()
        [[[1, 2]]]
    """
    scale = picture.shape[1] // size[0]
    if scale < 1 or picture.shape[1:] != (size[0] * scale, size[1] * scale):
        return None
    image = picture[:, ::scale, ::scale]
    same = np.array_equal(image.repeat(scale, 1).repeat(scale, 2), picture)
    return np.ascontiguousarray(image) if same else None
