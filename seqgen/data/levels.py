"""Convert intensities to levels: by rounding to equally spaced levels, or by random binarization."""

from __future__ import annotations

import numpy as np

from seqgen import rng
from seqgen.data.ranges import DECLARE, Range, refuse_other_range
from seqgen.errors import integer

_BLOCK = 1 << 20
_IMAGES = 1024


def to_levels(images: np.ndarray, levels: int, *, maximum: float | None = None) -> np.ndarray:
    """Round intensities to the nearest of equally spaced levels, uint8 of the same shape.

    Args:
        images: intensities of any shape, in the range defined by `intensities`.
        levels: 2 to 256.
        maximum: the declared intensity of the highest level; None is 255.

    Example:
        >>> to_levels(np.array([0, 100, 255], np.uint8), 4).tolist()
        [0, 1, 3]
        >>> to_levels(np.array([0.1, 0.9]), 2, maximum=1).tolist()
        [0, 1]
    """
    levels = integer("levels", levels, low=2, high=256)
    array = np.asarray(images)
    if maximum is None:
        table = np.rint(np.arange(256) * ((levels - 1) / 255.0)).astype(np.uint8)
        return table[intensities(array)]
    refuse_other_range(array, maximum)
    return np.rint(array * ((levels - 1) / maximum)).astype(np.uint8)


def binarize(images: np.ndarray, seed: int = 0, *, maximum: float | None = None) -> np.ndarray:
    """Set every pixel to 1 with probability intensity / maximum: images (N, ...), uint8 of the same shape.

    Random numbers are Philox by (seed, image, pixel), so that a data set is the same on every machine.

    Args:
        images: (N, ...) intensities. seed: 0 to 2^64 - 1. maximum: as in `to_levels`.
    """
    array = np.asarray(images)
    if maximum is None:
        intensities(array)
    else:
        refuse_other_range(array, maximum)
    flat = array.reshape(len(array), -1)
    result = np.empty(flat.shape, np.uint8)
    step = max(1, _BLOCK // max(1, flat.shape[1]))
    pixels = np.arange(flat.shape[1])
    for first in range(0, len(flat), step):
        rows = np.arange(first, min(first + step, len(flat)))
        noise = rng.uniforms(seed, rows[:, None], pixels, rng.Purpose.NOISE)
        result[rows] = noise < flat[rows] / (255.0 if maximum is None else float(maximum))
    return result.reshape(array.shape)


def intensities(array: np.ndarray, maximum: float | None = None) -> np.ndarray:
    """Scale numbers of a declared range to intensities from 0 to 255, uint8 of the same shape.

    Args:
        array: uint8; or, if `maximum` is given, integers or floats from 0 to `maximum`.
        maximum: the number that corresponds to 255, for example 1 for floats in [0, 1]; None if the numbers are
            intensities.

    Raises:
        TypeError: if the dtype does not match the declared range.
        ValueError: if a number is out of range, infinite or NaN.
    """
    array = np.asarray(array)
    if maximum is None:
        if array.dtype != np.uint8:
            raise TypeError(
                f"intensities must be uint8 from 0 to 255, got {array.dtype}; if they have another range, declare it, "
                f"for numbers from 0 to 1 by {DECLARE.format(1)}"
            )
        return array
    refuse_other_range(array, maximum)
    return np.rint(array * (255.0 / maximum)).astype(np.uint8)


def scale(planes: np.ndarray, known: Range) -> np.ndarray:
    """Convert numbers of a range to intensities; those from 0 to 255 are kept, also on disk."""
    if planes.dtype == np.uint8 and known.maximum == 255:
        return np.asarray(planes)
    images = np.empty(planes.shape, np.uint8)
    for first in range(0, len(planes), _IMAGES):
        images[first : first + _IMAGES] = intensities(planes[first : first + _IMAGES], known.maximum)
    return images
