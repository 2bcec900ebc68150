"""Prompts of image models: an image with known pixels, and -1 for each pixel to generate."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from seqgen.codecs.pixels import UNKNOWN, Pixels
from seqgen.data.image_files import read_image_file
from seqgen.data.levels import to_levels
from seqgen.errors import SeqgenError, integer


def keep_known(image: Any, codec: Pixels, *, keep_rows: int | None = None, mask: Any = None) -> np.ndarray:
    """Return the levels of the known pixels of an image, and -1 elsewhere: (C, H, W) int16, for `prompt=`.

    Args:
        image: levels, in any shape that `codec.images` accepts.
        codec: that of the model.
        keep_rows: number of known rows from the top.
        mask: (H, W) or (C, H, W), true for known pixels; with `keep_rows`, a pixel must be known by both.

    Raises:
        ValueError: if neither is given, or sizes differ.

    Example:
        >>> keep_known([[1, 0], [1, 1]], Pixels((1, 2, 2)), keep_rows=1).tolist()
        [[[1, 0], [-1, -1]]]
    """
    if keep_rows is None and mask is None:
        raise ValueError("keep_rows or mask must be given, to select the known pixels")
    levels = codec.encode(image).transpose(1, 0, 2).astype(np.int16)
    known = np.ones(codec.shape, bool)
    if keep_rows is not None:
        known[:, integer("keep_rows", keep_rows, low=0, high=codec.shape[1]) :] = False
    if mask is not None:
        given = np.asarray(mask)
        if given.shape not in (codec.shape, codec.shape[1:]):
            raise ValueError(
                f"mask must have the shape {codec.shape[1:]} or {codec.shape}, got {given.shape}"
            )
        known &= given.astype(bool)
    return np.where(known, levels, UNKNOWN).astype(np.int16)


def read_prompt(
    path: str | os.PathLike[str],
    codec: Pixels,
    *,
    keep_rows: int | None = None,
    mask: str | os.PathLike[str] | None = None,
) -> np.ndarray:
    """Read a prompt (C, H, W) from an image file, with intensities rounded to the nearest levels of the model.

    Args:
        path: an image file of the model's size; it is converted to the model's colours.
        codec: that of the model. keep_rows: as in `keep_known`.
        mask: an image file of the same size, bright (128 or more of 255) for known pixels.

    Raises:
        SeqgenError: if a file is not a complete image or has another size.
    """
    image = _sized(path, codec, codec.shape[0])
    bright = None if mask is None else _sized(mask, codec, 1)[0] >= 128
    return keep_known(to_levels(image, codec.levels), codec, keep_rows=keep_rows, mask=bright)


def read_levels(path: str | os.PathLike[str], codec: Pixels) -> np.ndarray:
    """Read an image file as levels (C, H, W) of a codec, whose size it must have."""
    return to_levels(_sized(path, codec, codec.shape[0]), codec.levels)


def _sized(path: str | os.PathLike[str], codec: Pixels, colours: int) -> np.ndarray:
    if colours not in (1, 3):
        raise SeqgenError(
            f"images of {colours} colours cannot be read from an image file; give the prompt as an array"
        )
    image = read_image_file(path, colours=colours)
    rows, columns = codec.shape[1:]
    if image.shape[1:] != (rows, columns):
        raise SeqgenError(
            f"{os.fspath(path)} is {image.shape[2]} wide and {image.shape[1]} high, the model's images are {columns} "
            f"wide and {rows} high; seqgen.data.images.fit_size crops and resizes"
        )
    return image
