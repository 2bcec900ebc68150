"""What the kernel of RNADE reads and writes of B lanes; see `kernels.lanes`. Legend: D dimensions, F hidden units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class VectorState(NamedTuple):
    """What is kept of every lane.

    Attributes:
        values: (B, D) float64, known numbers and those drawn so far.
        given: (B,) int64, how many are known.
        position: (B,) int64, the next number. index: (B,) uint64, of the samples.
        sums: (B, F), the running sums of the hidden units.
    """

    values: np.ndarray
    given: np.ndarray
    position: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # tuple.index is hidden
    sums: np.ndarray
