"""The codec of images with C colours, H rows and W columns of discrete levels; a symbol is one row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgen.arrays import as_array
from seqgen.codecs.base import Codec
from seqgen.errors import integer

UNKNOWN = -1
_LONGEST_SIDE, _MOST_PIXELS = 1 << 16, 1 << 26


class Pixels(Codec):
    """Images (C, H, W) uint8 of levels 0 to levels - 1, streamed row by row: a chunk of k rows is (C, k, W).

    Args:
        shape: (colours, rows, columns).
        levels: 2 to 256; level l is shown as grey l / (levels - 1).

    Example:
        >>> Pixels((1, 2, 3), 2).encode([[0, 1, 0], [1, 1, 1]]).tolist()
        [[[0, 1, 0]], [[1, 1, 1]]]
    """

    name = "pixels"
    medium = "image"
    unit = "rows"
    default_suffix = ".pnm"
    refused_controls = ("repetition_penalty", "stop")

    def __init__(self, shape: Sequence[int], levels: int = 2) -> None:
        if not isinstance(shape, (list, tuple)) or len(shape) != 3:
            raise ValueError(f"shape must be (colours, rows, columns), got {shape!r}")
        names = ("colours", "rows", "columns")
        colours, rows, columns = (
            integer(name, value, low=1, most=_LONGEST_SIDE) for name, value in zip(names, shape, strict=True)
        )
        if colours * rows * columns > _MOST_PIXELS:
            raise ValueError(f"images may have {_MOST_PIXELS} pixels times colours, got {shape!r}")
        self.shape = (colours, rows, columns)
        self.longest = rows
        self.levels = self.size = integer("levels", levels, low=2, high=256)

    def images(self, data: Any) -> np.ndarray:
        """Convert one or several images to levels (B, C, H, W) uint8 and check them.

        Args:
            data: integers of shape (C, H, W) or (B, C, H, W); the axis C may be omitted if it is 1, and an image may be
                flattened to C·H·W numbers. A tensor may be on any device.

        Raises:
            TypeError: if the numbers are not integers.
            ValueError: if the size is wrong, there is no image, or a level is out of range.
        """
        array = self._integers(data)
        shaped = self._shaped(array)
        if not len(shaped):
            raise ValueError(f"images must hold at least one image, got an array of the shape {array.shape}")
        self._check_levels(shaped, low=0)
        return shaped.astype(np.uint8)

    def encode(self, data: Any) -> np.ndarray:
        """Encode one image as its rows (H, C, W) uint8."""
        images = self.images(data)
        if len(images) != 1:
            raise ValueError(f"expected one image of the shape {self.shape}, got {len(images)}")
        return np.ascontiguousarray(images[0].transpose(1, 0, 2))

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        if isinstance(data, list) and data and np.ndim(data[0]) >= 2:
            return [self.encode(item) for item in data]
        return list(np.ascontiguousarray(self.images(data).transpose(0, 2, 1, 3)))

    def encode_prompt(self, data: Any) -> np.ndarray:
        """Encode the known pixels of an image, (C, H, W) int16: levels, and -1 for each pixel to generate."""
        array = self._integers(data)
        if array.dtype.kind == "b":
            raise TypeError(
                "a prompt is an image of levels with -1 where a pixel is to be generated, got a mask of bool; "
                "seqgen.data.images.keep_known combines an image and a mask"
            )
        shaped = self._shaped(array)
        if len(shaped) != 1:
            raise ValueError(f"expected one image of the shape {self.shape}, got {len(shaped)}")
        self._check_levels(shaped, low=UNKNOWN)
        return shaped[0].astype(np.int16)

    def encode_symbols(self, data: Any) -> np.ndarray:
        """Encode the levels (n,) of the control `allowed`."""
        return self._symbols(data)

    def decode(self, symbols: np.ndarray) -> np.ndarray:
        """Transpose rows (k, C, W) to (C, k, W)."""
        return np.ascontiguousarray(symbols.transpose(1, 0, 2))

    def join(self, parts: list[Any]) -> np.ndarray:
        if parts:
            return np.concatenate(parts, 1)
        return np.zeros((self.shape[0], 0, self.shape[2]), np.uint8)

    def to_grey(self, image: np.ndarray) -> np.ndarray:
        """Convert levels to intensities from 0 to 255, uint8 of the same shape."""
        return np.rint(np.asarray(image) * (255.0 / (self.levels - 1))).astype(np.uint8)

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "shape": list(self.shape), "levels": self.levels}

    def _integers(self, data: Any) -> np.ndarray:
        array = as_array("images", data)
        if array.dtype.kind not in "iub":
            raise TypeError(
                f"images must be integers from 0 to {self.levels - 1}, got {array.dtype}; "
                "seqgen.data.images.to_levels and binarize convert intensities"
            )
        return array

    def _shaped(self, array: np.ndarray) -> np.ndarray:
        """Reshape to (B, C, H, W) from any of the shapes that `images` accepts."""
        colours, rows, columns = self.shape
        size = math.prod(self.shape)
        if array.ndim in (3, 4) and array.shape[-3:] == self.shape:
            return array.reshape(-1, *self.shape)
        flat_colour = colours == 1 and array.ndim in (2, 3) and array.shape[-2:] == (rows, columns)
        if flat_colour or (array.ndim in (1, 2) and array.shape[-1] == size):
            return array.reshape(-1, *self.shape)
        raise ValueError(
            f"images must have the shape {self.shape} (colours, rows, columns), got {array.shape}; "
            "seqgen.data.images.fit_size crops, pads or resizes"
        )

    def _check_levels(self, array: np.ndarray, low: int) -> None:
        wrong = (array < low) | (array >= self.levels)
        if wrong.any():
            bad = int(array[wrong].flat[0])
            unknown = ", or -1 where a pixel is unknown" if low < 0 else ""
            raise ValueError(f"levels must be between 0 and {self.levels - 1}{unknown}, got {bad}")
