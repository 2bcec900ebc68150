"""Codecs of numbers: integers below a bound, pen directions, and vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.codecs.base import Codec
from seqgen.errors import integer

_DTYPES = (
    "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8",
)  # fmt: skip


class Integers(Codec):
    """The integers 0 to size - 1, unchanged: (T,) int64 arrays."""

    name = "integers"
    medium = "numbers"

    def __init__(self, size: int) -> None:
        self.size = integer("size", size, low=1)

    def encode(self, data: Any) -> np.ndarray:
        return self._symbols(data)

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """Encode one sequence, a list of sequences, or a (B, T) array."""
        if isinstance(data, list) and data and np.ndim(data[0]) == 0:
            return [self.encode(data)]
        return super().encode_batch(data)

    def join(self, parts: list[Any]) -> np.ndarray:
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "size": self.size}


class Strokes(Codec):
    """Pen movements of unit length: symbol s is the direction 2 pi s / angles, counter-clockwise from the right.

    Data are displacements (n, 2) float32, x to the right and y upwards; their cumulative sum is the path of the pen.

    Example:
        >>> Strokes(4).decode(np.array([1])).round(6).tolist()
        [[0.0, 1.0]]
    """

    name = "strokes"
    medium = "strokes"
    unit = "segments"

    def __init__(self, angles: int = 16) -> None:
        self.size = integer("angles", angles, low=2, most=65536)
        turn = 2.0 * np.pi * np.arange(self.size) / self.size
        self._table = np.stack([np.cos(turn), np.sin(turn)], -1).astype(np.float32)

    def encode(self, data: Any) -> np.ndarray:
        """Encode symbols (n,), or displacements (n, 2) of any length as the nearest directions."""
        array = np.asarray(data)
        if array.dtype.kind != "f":
            return self._symbols(array)
        if array.ndim != 2 or array.shape[1] != 2:
            raise ValueError(f"displacements must have the shape (n, 2), got {array.shape}")
        if not np.all(np.isfinite(array)) or np.any(np.all(array == 0, -1)):
            bad = int(np.flatnonzero(~np.isfinite(array).all(-1) | np.all(array == 0, -1))[0])
            raise ValueError(f"displacements must be finite and not zero, got {array[bad].tolist()} at {bad}")
        turn = np.arctan2(array[:, 1], array[:, 0]) / (2.0 * np.pi)
        return np.rint(turn * self.size).astype(np.int64) % self.size

    def decode(self, symbols: np.ndarray) -> np.ndarray:
        return self._table[symbols]

    def join(self, parts: list[Any]) -> np.ndarray:
        return np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "angles": self.size}


class Vectors(Codec):
    """Numeric observations, unchanged: (T,) or (T, D) arrays."""

    name = "vectors"
    medium = "numbers"
    unit = "vectors"

    def __init__(self, dimensions: int = 0, dtype: str = "float64") -> None:
        self.dimensions = integer("dimensions", dimensions, low=0)
        if dtype not in _DTYPES:
            raise TypeError(f"dtype must be the name of a numeric dtype, {', '.join(_DTYPES)}, got {dtype!r}")
        self.dtype = dtype

    def encode(self, data: Any) -> np.ndarray:
        given = np.asarray(data)
        if np.dtype(self.dtype).kind in "iu" and given.dtype.kind == "f":
            whole = given == np.floor(np.where(np.isfinite(given), given, 0.5))
            if not whole.all():
                raise ValueError(f"observations must be whole numbers, got {given[~whole].flat[0]}")
        array = np.ascontiguousarray(given, dtype=self.dtype)
        wanted = 2 if self.dimensions else 1
        if array.ndim != wanted or (self.dimensions and array.shape[1] != self.dimensions):
            shape = f"(T, {self.dimensions})" if self.dimensions else "(T,)"
            raise ValueError(f"observations must have the shape {shape}, got {array.shape}")
        return array

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        if not isinstance(data, list):
            array = np.asarray(data)
            if array.ndim == (3 if self.dimensions else 2):
                return [self.encode(row) for row in array]
            return [self.encode(array)]
        if data and np.ndim(data[0]) == (2 if self.dimensions else 1):
            return [self.encode(row) for row in data]
        return [self.encode(data)]

    def join(self, parts: list[Any]) -> np.ndarray:
        if parts:
            return np.concatenate(parts)
        return np.zeros((0, self.dimensions) if self.dimensions else (0,), self.dtype)

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "dimensions": self.dimensions, "dtype": self.dtype}
