"""The lane state of the RNADE kernel; see `kernels.lanes`. Legend: D dimensions, F hidden units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LOWEST_LOG_DEVIATION = -12.0
"""Minimum log-deviation of a component, for standardised numbers: not far below the rounding of float32 means, which
differs between sums in different orders, so that densities are finite and do not depend on it."""

FARTHEST = 1e30
"""Numbers are at most so many deviations from the mean of the data, so that the network's float32 sums are finite."""


class VectorState(NamedTuple):
    """The state of every lane.

    Attributes:
        values: (B, D) float64, known numbers and those drawn so far.
        given: (B,) int64, number of known values.
        position: (B,) int64, of the next number. index: (B,) uint64, of the samples.
        sums: (B, F), the running sums of the hidden units.
    """

    values: np.ndarray
    given: np.ndarray
    position: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # tuple.index is hidden
    sums: np.ndarray
