"""The base of both RNADE engines, which draw the D numbers of a vector one by one, possibly after a known prefix.

Random numbers: number d uses word d of COMPONENT for its component and word d of EMISSION for its normal, as in the
Gaussian mixtures of HMMs.
Legend: B lanes, N numbers per step, D dimensions, F hidden units.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Engine, Request, Start, StepOutput
from seqgen.engines.requirements import require_finite, require_no_condition
from seqgen.errors import SeqgenError
from seqgen.models.rnade.numba_lanes import FARTHEST, VectorState


class RealVectorEngine(Engine):
    """Base class of both engines, which implement `_draw`; `start_sums` are the hidden sums before the first number.

    Attributes:
        lanes: what is kept of every lane; values, given, position, index and sums are its fields.
    """

    def __init__(self, weights: Weights, request: Request, start_sums: np.ndarray) -> None:
        require_finite(weights)
        self.request = request
        self.dimensions = int(weights.config["dimensions"])
        self._start_sums = start_sums.copy()
        lanes = request.lanes
        self.lanes = VectorState(
            values=np.zeros((lanes, self.dimensions)),
            given=np.zeros(lanes, np.int64),
            position=np.zeros(lanes, np.int64),
            index=np.zeros(lanes, np.uint64),
            sums=np.zeros((lanes, len(start_sums)), start_sums.dtype),
        )
        self.values, self.given, self.position, self.index, self.sums = self.lanes

    def state(self) -> dict[str, np.ndarray]:
        return self.lanes._asdict()

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        require_no_condition(start)
        self.index[lanes], self.position[lanes], self.given[lanes] = indices, 0, 0
        self.values[lanes] = 0.0
        self.sums[lanes] = self._start_sums
        if start.prompt is not None:
            count = self._known(start.prompt)
            self.given[lanes] = count
            self.values[lanes, :count] = start.prompt[:count]

    def _known(self, prompt: np.ndarray) -> int:
        """Return how many numbers of a prompt are known; they must be a prefix."""
        if prompt.shape != (self.dimensions,):
            raise ValueError(
                f"prompt must be a vector of {self.dimensions} numbers, NaN where one is to be generated, got "
                f"{len(prompt)}; give an array or a tuple, as a list is taken as one prompt for each sample"
            )
        known = ~np.isnan(prompt)
        count = int(known.sum())
        if not known[:count].all():
            raise SeqgenError(
                f"this model draws in order and can only complete vectors whose known numbers come first: number "
                f"{int(np.flatnonzero(known)[-1])} of the prompt is known, but {int(np.argmin(known))} is not"
            )
        if np.isinf(prompt).any():
            raise ValueError("prompt must be finite, or NaN where a number is to be generated, got infinity")
        return count

    def advance(self, counts: np.ndarray) -> StepOutput:
        asked = np.minimum(counts, self.dimensions - self.position)
        longest = int(asked.max(initial=0))
        log_probs = np.zeros((len(counts), longest if self.request.log_probs else 0))
        first = self.position.copy()
        self._draw(asked, log_probs)
        self.position += asked
        symbols = np.zeros((len(counts), longest))
        for lane in np.flatnonzero(asked):
            symbols[lane, : asked[lane]] = self.values[lane, first[lane] : self.position[lane]]
        extra = {"log_prob": log_probs, "log_prob_drawn": log_probs.copy()} if self.request.log_probs else {}
        return StepOutput(symbols, asked, (self.position == self.dimensions) & (counts > 0), extra)

    @abstractmethod
    def _draw(self, counts: np.ndarray, log_probs: np.ndarray) -> None:
        """Draw counts[b] numbers of lane b, from position[b] on, into `values`, and update `sums`.

        Args:
            log_probs: (B, N), filled with log-densities (0 for known numbers), or (B, 0) if they are not requested.
        """


def diverged() -> SeqgenError:
    """Return the error for a number that is not finite or beyond `FARTHEST`, as a badly trained model may draw."""
    return SeqgenError(
        f"the model drew a number that is not finite, or over {FARTHEST:g} deviations from the mean: its deviations "
        "grow without bound; train it further or with a lower learning rate"
    )
