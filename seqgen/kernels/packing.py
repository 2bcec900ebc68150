"""A model's parameters as kernels read them: in float32, with all matrices packed one after another.

The number of bits of a matrix is determined by one rule for all families. Precision "float32" stores 32. "bfloat16"
rounds every parameter to bfloat16 and stores 16. "auto" does not round, and stores 16 if every number of every matrix
is representable in bfloat16. Products widen what they read to float32, which is exact, so the stored format affects
memory traffic, but never a sample. Biases, tables and all other arrays that are not matrices stay in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import DTypeLike

from seqgen.checkpoint import from_bfloat16, is_bfloat16, to_bfloat16
from seqgen.kernels.dots import pack_rows
from seqgen.kernels.padding import padded
from seqgen.kernels.vector import pack

_LINE = 64  # bytes
Pack = Callable[[np.ndarray, str], np.ndarray]


class Packer:
    """Provides parameters by name and collects the matrices made from them.

    Args:
        arrays: the parameters.
        precision: "float32", "bfloat16" or "auto"; see above.

    Attributes:
        arrays: all parameters in float32, rounded if precision is "bfloat16".

    Example:
        >>> packer = Packer({"weight": np.ones((3, 70))}, "auto")
        >>> packer.add(packer["weight"]), packer.add(packer["weight"][:1])
        (0, 384)
        >>> packer.matrices().dtype, len(packer.matrices())  # a word holds two weights
        (dtype('uint32'), 256)
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], precision: str) -> None:
        self._precision = precision
        # copies, because arrays from a file are read-only, which is a separate type in Numba
        self.arrays = {name: np.array(array, np.float32, order="C") for name, array in arrays.items()}
        if precision == "bfloat16":
            self.arrays = {name: _rounded(array) for name, array in self.arrays.items()}
        self._added: list[tuple[Pack, np.ndarray]] = []
        self._length = 0

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def add(self, matrix: np.ndarray) -> int:
        """Append a matrix (inputs, outputs) for `vector.matmul`; return its position in `matrices`, in weights."""
        return self._append(pack, matrix, len(matrix) * padded(matrix.shape[1]))

    def add_rows(self, matrix: np.ndarray) -> int:
        """Append a matrix (rows, inputs) for `dots.dot` and `dots.add_row`; return its position, in weights."""
        return self._append(pack_rows, matrix, len(matrix) * padded(matrix.shape[1]))

    def _append(self, how: Pack, matrix: np.ndarray, length: int) -> int:
        begin = self._length
        self._added.append((how, matrix))
        self._length += length
        return begin

    @property
    def storage(self) -> str:
        """Return the format in which the matrices are stored, "float32" or "bfloat16"."""
        if self._precision != "auto":
            return self._precision
        return "bfloat16" if all(is_bfloat16(matrix) for _, matrix in self._added) else "float32"

    def matrices(self) -> np.ndarray:
        """Return all added matrices, one after another: float32, or uint32 with two bfloat16 in each word."""
        storage = self.storage
        parts = [how(matrix, storage) for how, matrix in self._added]
        whole = aligned(sum(map(len, parts)), parts[0].dtype)
        return np.concatenate(parts, out=whole)


def aligned(count: int, dtype: DTypeLike) -> np.ndarray:
    """Allocate `count` numbers that begin at a cache line, so that no vector is in two of them."""
    memory = np.empty(count * np.dtype(dtype).itemsize + _LINE, np.uint8)
    begin = -memory.ctypes.data % _LINE
    return memory[begin : len(memory) - _LINE + begin].view(dtype)


def padded_vector(vector: np.ndarray) -> np.ndarray:
    """Pad a bias (outputs,) with zeros to the outputs of a whole product: (padded outputs,) float32."""
    whole = np.zeros(padded(len(vector)), np.float32)
    whole[: len(vector)] = vector
    return whole


def _rounded(array: np.ndarray) -> np.ndarray:
    return from_bfloat16(to_bfloat16(array)).reshape(array.shape)
