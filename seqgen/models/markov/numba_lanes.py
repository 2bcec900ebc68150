"""What the kernels of Markov chains read and write of B lanes; see `kernels.lanes`. Legend: F forced positions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class MarkovState(NamedTuple):
    """What is kept of every lane.

    Attributes:
        index: (B,) uint64, of the samples. position: (B,) uint64, of the next symbol.
        state: (B,) int32, of the automaton.
        forced: (B, F) int32, the symbols that a condition fixes, `bridging.FREE` where it fixes none.
    """

    index: np.ndarray  # type: ignore[assignment]  # tuple.index is hidden
    position: np.ndarray
    state: np.ndarray
    forced: np.ndarray
