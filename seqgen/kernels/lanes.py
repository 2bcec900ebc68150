"""What kernels read and write of B lanes, as named structures of arrays.

A structure goes into a kernel as a plain tuple and gets its names back there, as `Structure(*arguments)`: Numba takes a
plain tuple from Python in a fraction of the time that a named one costs, and in compiled code names are free.
Legend: B lanes, N steps of a step, V symbols.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from seqgen.engine import StepOutput


class LaneControlArrays(NamedTuple):
    """The controls of every lane; `draw` reads them.

    Attributes:
        reshapes: (B,) bool, whether the lane has any control that changes the distribution.
        parameters: (B, 6) float64, `controls.Parameters`.
        allowed: (B, V) bool.
        seen: (B, V) bool, symbols of the prompt and of the sample so far.
    """

    reshapes: np.ndarray
    parameters: np.ndarray
    allowed: np.ndarray
    seen: np.ndarray


class StepArrays(NamedTuple):
    """What a step makes, filled in by kernels and reference samplers.

    Attributes:
        symbols: (B, N).
        log_probs: (2, B, N) float64, log-probabilities of the symbols under the model and as drawn, after the
            controls; (2, B, 0) if nobody wants them.
        counts: (B,) int64, how many symbols were made.
        ended: (B,) bool, whether the model ended the sample.
    """

    symbols: np.ndarray
    log_probs: np.ndarray
    counts: np.ndarray
    ended: np.ndarray

    @classmethod
    def of(cls, lanes: int, steps: int, dtype: DTypeLike, *, log_probs: bool) -> Self:
        """Zeros for `lanes` times `steps` symbols of a dtype, with room for log-probabilities or without."""
        return cls(
            np.zeros((lanes, steps), dtype),
            np.zeros((2, lanes, steps if log_probs else 0)),
            np.zeros(lanes, np.int64),
            np.zeros(lanes, np.bool_),
        )

    def output(self, *, log_probs: bool) -> StepOutput:
        """The same as engines give it, with the log-probabilities if they are wanted."""
        return StepOutput(self.symbols, self.counts, self.ended, by_name(self.log_probs) if log_probs else {})


def by_name(log_probs: np.ndarray) -> dict[str, np.ndarray]:
    """Log-probabilities (2, ...) under the model and as drawn, by the names that they have in a chunk."""
    return {"log_prob": log_probs[0], "log_prob_drawn": log_probs[1]}
