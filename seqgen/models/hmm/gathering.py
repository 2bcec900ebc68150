"""Assembly of the chunks of samples without a second copy of the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Gathered:
    """The chunks of n samples; numeric chunks are copied directly to their position in one array.

    Args:
        n: number of samples. first: index of the first.
        length: length of a sample, or None if unknown.
        join: concatenates the data of a sample's chunks, for data that are not arrays.
    """

    def __init__(self, n: int, length: int | None, first: int, join: Callable[[list[Any]], Any]) -> None:
        self._length, self._first, self._join = length, first, join
        self._parts: list[list[Any]] = [[] for _ in range(n)]
        self._ends = np.zeros(n, np.int64)
        self._array: np.ndarray | None = None

    def add(self, index: int, offset: int, part: Any) -> None:
        """Add a chunk of the sample with that index."""
        row = index - self._first
        if self._length is None or not isinstance(part, np.ndarray):
            self._parts[row].append(part)
            return
        if self._array is None:
            self._array = np.empty((len(self._parts), self._length, *part.shape[1:]), part.dtype)
        self._ends[row] = offset + len(part)
        self._array[row, offset : offset + len(part)] = part

    def whole(self) -> Any:
        """Return one array (n, length, ...), or a list if lengths differ or data are not arrays."""
        if self._array is None:
            samples = [self._join(parts) for parts in self._parts]
            same = isinstance(samples[0], np.ndarray) and len({sample.shape for sample in samples}) == 1
            return np.stack(samples) if same else samples
        if (self._ends == self._length).all():
            return self._array
        return [row[:end] for row, end in zip(self._array, self._ends, strict=True)]
