"""Grids of images as one picture.

Legend: N images, C colours, H rows, W columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgen.codecs.pixels import UNKNOWN, Pixels
from seqgen.data.enlarged import Page
from seqgen.errors import SeqgenError, integer, optional_integer

_WIDTH, _LARGEST = (
    720,
    8,
)  # minimum side in pixels of a viewable picture, and the maximum enlargement to reach it
_MOST_PIXELS = 1 << 28
_GAP_GREY = 80
_UNKNOWN_RGB = (52, 76, 120)


def image_grid(
    images: Sequence[np.ndarray] | np.ndarray,
    codec: Pixels,
    columns: int | None = None,
    scale: int | None = None,
    gap: int = 2,
) -> np.ndarray:
    """Arrange images in a grid.

    Args:
        images: N arrays (C, H, W) of levels, with -1 for unknown pixels, which are drawn in dark blue.
        codec: that of the images.
        columns: images per row; None makes the grid nearly square.
        scale: side of the square drawn for each pixel; None enlarges small pictures to a viewable size.
        gap: grey pixels between the images.

    Returns:
        uint8 (height, width), or (height, width, 3) for images of three colours or with unknown pixels.

    Raises:
        ValueError: if there are no images, or their sizes or levels do not match the codec.
        SeqgenError: if the images do not have 1 or 3 colours.

    Example:
        >>> image_grid(np.ones((4, 1, 2, 3), np.uint8), Pixels((1, 2, 3)), scale=1, gap=1).shape
        (5, 7)
    """
    page = page_of(images, codec, columns, scale, gap)
    pictures = [picture(np.asarray(image), codec) for image in images]
    coloured = codec.shape[0] == 3 or any(made.ndim == 3 for made in pictures)
    grid = np.full((*page.size(), 3) if coloured else page.size(), _GAP_GREY, np.uint8)
    for number, made in enumerate(pictures):
        top, left = page.corner(number)
        if coloured and made.ndim == 2:
            made = np.repeat(made[:, :, None], 3, 2)
        large = enlarge(made, page.scale)
        grid[top : top + large.shape[0], left : left + large.shape[1]] = large
    return grid


def page_of(
    images: Sequence[np.ndarray] | np.ndarray,
    codec: Pixels,
    columns: int | None = None,
    scale: int | None = None,
    gap: int = 2,
) -> Page:
    """Return the layout of `image_grid`, whose arguments and errors it has."""
    _, rows, wide = require_picture(codec)
    if not len(images):
        raise ValueError("images must hold at least one image, got none")
    integer("gap", gap, low=0)
    across = near_square(len(images)) if columns is None else integer("columns", columns, low=1)
    across = min(across, len(images))
    if scale is None:
        scale = max(1, min(_LARGEST, (_WIDTH - gap * (across - 1)) // (across * wide)))
    integer("scale", scale, low=1)
    drawn = [int((np.asarray(image) != UNKNOWN).all((0, 2)).cumprod().sum()) for image in images]
    return Page(rows, wide, across, scale, gap, drawn)


def picture(image: np.ndarray, codec: Pixels) -> np.ndarray:
    """Convert levels (C, H, W), or -1 for unknown, to a picture (H, W) or (H, W, 3) uint8."""
    if image.shape != codec.shape:
        raise ValueError(f"images must have the shape {codec.shape}, got {image.shape}")
    known = image != UNKNOWN
    levels = np.where(known, image, 0)
    if ((levels < 0) | (levels >= codec.levels)).any():
        raise ValueError(f"images must have levels from 0 to {codec.levels - 1}, or -1 for unknown")
    grey = codec.to_grey(levels)
    whole = known.all(0)
    if len(image) == 1 and whole.all():
        return grey[0]
    channels = np.repeat(grey, 3, 0) if len(image) == 1 else grey
    return np.where(whole[:, :, None], channels.transpose(1, 2, 0), np.array(_UNKNOWN_RGB, np.uint8))


def require_picture(codec: Any) -> tuple[int, int, int]:
    """Return (colours, rows, columns) of a codec of grey or RGB images, or raise SeqgenError."""
    if codec.medium != "image":
        raise SeqgenError(f"pictures are made of images, this model makes {codec.unit}")
    shape: tuple[int, int, int] = codec.shape
    if shape[0] not in (1, 3):
        raise SeqgenError(
            f"images of {shape[0]} colours cannot be written as pictures, which are grey (1) or RGB (3); "
            "write .npz or .jsonl"
        )
    return shape


def enlargement(scale: Any, codec: Any) -> int | None:
    """Return the side of the square that is drawn for each pixel, or None if it is to be chosen.

    Raises:
        TypeError, ValueError: if it is no positive integer, or so large that a picture would have over 2^28 pixels.
    """
    _, rows, columns = require_picture(codec)
    return optional_integer("scale", scale, low=1, most=max(1, math.isqrt(_MOST_PIXELS // (rows * columns))))


def enlarge(array: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge every pixel of a picture (H, W) or (H, W, 3) to a square of `scale` by `scale` pixels."""
    return array if scale == 1 else array.repeat(scale, 0).repeat(scale, 1)


def near_square(count: int) -> int:
    """Return the number of columns of a nearly square grid of `count` images that is not higher than wide."""
    across = 1
    while across * across < count:
        across += 1
    return across
