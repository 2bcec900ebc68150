"""The compiled sampler of Markov chains: sparse draws, and dense ones for forced symbols or smoothing under controls.

Legend: B lanes, N symbols per step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request, StepOutput
from seqgen.kernels.compile import say_compiling
from seqgen.kernels.lanes import StepArrays
from seqgen.models.markov.lanes import MarkovLanes
from seqgen.models.markov.numba_kernel import advance, advance_controlled, advance_forced
from seqgen.threads import Workers


class MarkovEngine(MarkovLanes):
    """Samples `MarkovChain`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request, model=model)
        say_compiling("Markov chain")
        self._model = tuple(self._automaton), tuple(self._chain.tables)
        self.workers: Workers = Workers(request.threads)

    def advance(self, counts: np.ndarray) -> StepOutput:
        wanted = self._request.log_probs
        made = StepArrays.of(len(counts), int(counts.max()), np.int32, log_probs=wanted)
        controls, running = self._controls, counts > 0
        reshaped = running & (controls.reshapes if controls is not None else False)
        forced = running & (self._lanes.forced >= 0).any(1) & ~reshaped
        seed, lanes, out = np.uint64(self._request.seed), tuple(self._lanes), tuple(made)

        def plain(some: np.ndarray) -> None:
            advance(self._model, some, counts, seed, lanes, out)

        def controlled(some: np.ndarray) -> None:
            assert controls is not None
            advance_controlled(self._model, logs, some, counts, seed, lanes, tuple(controls.arrays), out)

        # read once here, by one thread
        logs = self._chain.logs if reshaped.any() else None
        self.workers.run(plain, np.flatnonzero(running & ~reshaped & ~forced))
        self.workers.run(controlled, np.flatnonzero(reshaped))
        for lane in np.flatnonzero(forced).tolist():
            messages = self._messages.of(self._forced_of(lane))
            advance_forced(self._model, lane, counts[lane], seed, lanes, messages, out)
        return made.output(log_probs=wanted)
