"""Named structures of arrays that kernels read and write for B lanes.

A structure is passed to a kernel as a plain tuple and rebuilt there as `Structure(*arguments)`: passing a plain tuple
from Python to Numba takes a fraction of the time that a named tuple takes, and in compiled code names cost nothing.
Legend: B lanes, N symbols per step, V symbols.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from seqgen.engine import StepOutput


class LaneControlArrays(NamedTuple):
    """The controls of every lane, as read by `draw`.

    Attributes:
        reshapes: (B,) bool, whether the lane has any control that changes the distribution.
        parameters: (B, 6) float64, `controls.Parameters`.
        allowed: (B, V) bool.
        seen: (B, V) bool, symbols that occur in the prompt or in the sample so far.
        chain: (1,) int64, the address of the compiled chain of controls; 0 before a lane has any.
    """

    reshapes: np.ndarray
    parameters: np.ndarray
    allowed: np.ndarray
    seen: np.ndarray
    chain: np.ndarray


class StepArrays(NamedTuple):
    """The output of a step, filled in by kernels and reference samplers.

    Attributes:
        symbols: (B, N).
        log_probs: (2, B, N) float64, log-probabilities of the symbols under the model and as drawn, after the controls;
            (2, B, 0) if they are not requested.
        counts: (B,) int64, number of symbols generated.
        ended: (B,) bool, whether the model ended the sample.
    """

    symbols: np.ndarray
    log_probs: np.ndarray
    counts: np.ndarray
    ended: np.ndarray

    @classmethod
    def of(cls, lanes: int, steps: int, dtype: DTypeLike, *, log_probs: bool) -> Self:
        """Return zeros for `lanes` times `steps` symbols of a dtype, with or without space for log-probabilities."""
        return cls(
            np.zeros((lanes, steps), dtype),
            np.zeros((2, lanes, steps)) if log_probs else _no_log_probs(lanes),
            np.zeros(lanes, np.int64),
            np.zeros(lanes, np.bool_),
        )

    def output(self, *, log_probs: bool) -> StepOutput:
        """Return the output of an engine, with log-probabilities if requested."""
        return StepOutput(self.symbols, self.counts, self.ended, by_name(self.log_probs) if log_probs else {})


@lru_cache(maxsize=16)
def _no_log_probs(lanes: int) -> np.ndarray:
    return np.zeros((2, lanes, 0))


def by_name(log_probs: np.ndarray) -> dict[str, np.ndarray]:
    """Return log-probabilities (2, ...), under the model and as drawn, by their names in a chunk."""
    return {"log_prob": log_probs[0], "log_prob_drawn": log_probs[1]}
