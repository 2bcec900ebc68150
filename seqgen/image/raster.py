"""Conversion between images and vectors of D = C·H·W dimensions in raster order, colours innermost.

Shapes: B batch, C colours, H rows, W columns, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from seqgen.codecs.pixels import Pixels
from seqgen.errors import integer


def image_codec(dimensions: int, shape: Sequence[int] | None, levels: int) -> Pixels:
    """Return the codec of images with `dimensions` = pixels times colours.

    Args:
        shape: (colours, rows, columns); None is a square of one colour, or one row if `dimensions` is not a square
            number.

    Example:
        >>> image_codec(784, None, 2).shape, image_codec(7, None, 2).shape
        ((1, 28, 28), (1, 1, 7))
    """
    dimensions = integer("dimensions", dimensions, low=1)
    if shape is None:
        side = math.isqrt(dimensions)
        shape = (1, side, side) if side * side == dimensions else (1, 1, dimensions)
    codec = Pixels(shape, levels)
    if math.prod(codec.shape) != dimensions:
        raise ValueError(
            f"shape must have as many pixels times colours as there are dimensions, {dimensions}, got {codec.shape}"
        )
    return codec


def to_vectors(images: Tensor) -> Tensor:
    """Convert images (B, C, H, W) to vectors (B, D)."""
    return images.permute(0, 2, 3, 1).flatten(1)


def to_images(vectors: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Convert vectors (B, D, ...) to images (B, C, ..., H, W); trailing axes move to the second position."""
    colours, rows, columns = shape
    return vectors.unflatten(1, (rows, columns, colours)).movedim(3, 1).movedim((2, 3), (-2, -1))
