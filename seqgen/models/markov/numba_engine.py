"""The compiled sampler of Markov chains; only under controls, a smoothed chain's draws evaluate all symbols.

Legend: B lanes, N symbols per step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request, StepOutput
from seqgen.kernels.compile import say_compiling
from seqgen.kernels.lanes import StepArrays
from seqgen.models.markov.bridges import Bridges
from seqgen.models.markov.bridging import FREE
from seqgen.models.markov.lanes import MarkovLanes
from seqgen.models.markov.numba_bridge import Bridge
from seqgen.models.markov.numba_kernel import advance, advance_controlled, advance_forced
from seqgen.threads import Workers


class MarkovEngine(MarkovLanes):
    """Samples `MarkovChain`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request, model=model)
        say_compiling("Markov chain")
        self._model = tuple(self._automaton), tuple(self._chain.tables)
        self._seed = np.uint64(request.seed)
        self._bridges = Bridges(self._automaton, self._messages)
        self.workers: Workers = Workers(request.threads)

    def advance(self, counts: np.ndarray) -> StepOutput:
        chain, wanted = self._chain, self._request.log_probs
        made = StepArrays.of(len(counts), max(counts.tolist()), np.int32, log_probs=wanted)
        controls = self._controls
        seed, lanes, out = self._seed, tuple(self._lanes), tuple(made)

        def plain(some: np.ndarray) -> None:
            advance(self._model, some, counts, seed, lanes, out)

        if controls is None and not self._lanes.forced.shape[1]:
            # no lane has ever had controls or a condition
            self.workers.run(plain, counts.nonzero()[0])
            return made.output(log_probs=wanted)
        running = counts > 0
        reshaped = running & (controls.reshapes if controls is not None else False)
        forced = self._before_forced(running & ~reshaped)

        def controlled(some: np.ndarray) -> None:
            assert controls is not None
            logs, order = chain.logs, chain.descending
            advance_controlled(
                self._model, logs, order, some, counts, seed, lanes, tuple(controls.arrays), out
            )

        if reshaped.any():
            # computed here, by one thread
            chain.logs, chain.descending  # noqa: B018
        self.workers.run(plain, np.flatnonzero(running & ~reshaped & ~forced))
        self.workers.run(controlled, np.flatnonzero(reshaped))
        for bridge, group in self._by_condition(np.flatnonzero(forced)):

            def towards(some: np.ndarray, bridge: Bridge = bridge) -> None:
                advance_forced(self._model, some, counts, seed, lanes, tuple(bridge), out)

            self.workers.run(towards, np.array(group))
        return made.output(log_probs=wanted)

    def _before_forced(self, lanes: np.ndarray) -> np.ndarray:
        """Return which of `lanes` (B,) bool have a forced position ahead."""
        own = self._lanes
        if not own.forced.shape[1]:
            return np.zeros_like(lanes)
        ahead = np.arange(own.forced.shape[1], dtype=np.uint64) >= own.position[:, None]
        return np.asarray(lanes & ((own.forced != FREE) & ahead).any(1))

    def _by_condition(self, lanes: np.ndarray) -> list[tuple[Bridge, list[int]]]:
        """Return the lanes of each condition with what they share."""
        groups: dict[bytes, list[int]] = {}
        for lane in lanes.tolist():
            groups.setdefault(self._lanes.forced[lane].tobytes(), []).append(lane)
        return [(self._bridges.of(self._forced_of(group[0])), group) for group in groups.values()]
