"""The lane state of the kernels of Markov chains; see `kernels.lanes`. Legend: F forced positions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class MarkovState(NamedTuple):
    """The state of every lane.

    Attributes:
        index: (B,) uint64, of the samples. position: (B,) uint64, of the next symbol.
        state: (B,) int32, of the automaton.
        forced: (B, F) int32, the symbols fixed by the condition, `bridging.FREE` where it fixes none.
    """

    index: np.ndarray  # type: ignore[assignment]  # tuple.index is hidden
    position: np.ndarray
    state: np.ndarray
    forced: np.ndarray
