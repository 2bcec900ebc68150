"""Crop or pad images centrally to an aspect ratio, then resize them."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen import extras
from seqgen.errors import choice, integer


def fit_size(images: np.ndarray, size: int | tuple[int, int], *, how: str = "crop") -> np.ndarray:
    """Crop or pad, and resize, intensities (..., H, W) to (..., rows, columns), uint8.

    Args:
        images: uint8 intensities; leading axes (images, colours) are kept.
        size: (rows, columns), or one number for both.
        how: "crop" cuts the longer side to the aspect ratio of `size`, "pad" adds black borders to the shorter one; the
            result is resized (Lanczos, with antialiasing).

    Example:
        >>> fit_size(np.full((2, 3, 40, 60), 7, np.uint8), 28).shape
        (2, 3, 28, 28)
    """
    rows, columns = checked_size(size)
    choice("how", how, ("crop", "pad"))
    array = np.asarray(images)
    if array.dtype != np.uint8 or array.ndim < 2 or not array.size:
        raise TypeError(f"images must be uint8 of the shape (..., H, W), got {array.dtype} {array.shape}")
    if array.shape[-2:] == (rows, columns):
        return array
    extras.load("pillow", "resizing images")
    from PIL import Image

    shaped = _cropped(array, rows, columns) if how == "crop" else _padded(array, rows, columns)
    flat = shaped.reshape(-1, *shaped.shape[-2:])
    result = np.empty((len(flat), rows, columns), np.uint8)
    for number, plane in enumerate(flat):
        picture = Image.fromarray(np.ascontiguousarray(plane))
        result[number] = np.asarray(picture.resize((columns, rows), Image.Resampling.LANCZOS))
    return result.reshape(*array.shape[:-2], rows, columns)


def checked_size(size: Any) -> tuple[int, int]:
    """Return (rows, columns) from a pair or one number."""
    pair = size if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"size must be (rows, columns) or one number, got {size!r}")
    return integer("size's rows", pair[0], low=1), integer("size's columns", pair[1], low=1)


def _cropped(array: np.ndarray, rows: int, columns: int) -> np.ndarray:
    height, width = array.shape[-2:]
    keep_height = min(height, max(1, round(width * rows / columns)))
    keep_width = min(width, max(1, round(height * columns / rows)))
    top, left = (height - keep_height) // 2, (width - keep_width) // 2
    return array[..., top : top + keep_height, left : left + keep_width]


def _padded(array: np.ndarray, rows: int, columns: int) -> np.ndarray:
    height, width = array.shape[-2:]
    full_height = max(height, round(width * rows / columns))
    full_width = max(width, round(height * columns / rows))
    above, left = (full_height - height) // 2, (full_width - width) // 2
    border = ((above, full_height - height - above), (left, full_width - width - left))
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + list(border))
