"""The compiled sampler of Markov chains.

Only under controls, draws evaluate all successors, and some of those of a smoothed chain all symbols. What controls
leave after a state is remembered where it does not depend on the symbols before (`rows`).

Legend: B lanes, N symbols per step.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request, Start, StepOutput
from seqgen.kernels.compile import say_compiling
from seqgen.kernels.lanes import StepArrays
from seqgen.models.markov.bridges import Bridges
from seqgen.models.markov.bridging import FREE
from seqgen.models.markov.lanes import MarkovLanes
from seqgen.models.markov.numba_bridge import Bridge
from seqgen.models.markov.numba_kernel import advance, advance_controlled, advance_forced, advance_unscored
from seqgen.models.markov.rows import RememberedRows
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

    @cached_property
    def _rows(self) -> RememberedRows:
        """The rows, made when a lane first has controls, since all states are looked at for that."""
        wanted = self._request
        return RememberedRows(self._automaton, wanted.lanes, wanted.threads, log_probs=wanted.log_probs)

    def _controls_change(self, lanes: np.ndarray | None) -> None:
        if "_rows" in vars(self):
            self._rows.changes(lanes)

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        self._controls_change(lanes)
        super().begin(lanes, indices, start)

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._controls_change(None)
        super().restore(arrays)

    def advance(self, counts: np.ndarray) -> StepOutput:
        chain, wanted = self._chain, self._request.log_probs
        made = StepArrays.of(len(counts), max(counts.tolist()), np.int32, log_probs=wanted)
        controls, own = self._controls, self._lanes
        if controls is None and not wanted and not own.forced.shape[1]:
            # no lane has ever had controls or a condition
            few = self._seed, (own.index, own.position, own.state), (made.symbols, made.counts, made.ended)
            self.workers.run(
                lambda some: advance_unscored(self._model[1], self._automaton.symbols, some, counts, *few),
                counts.nonzero()[0],
            )
            return made.output(log_probs=False)
        seed, lanes, out = self._seed, tuple(own), tuple(made)

        def plain(some: np.ndarray) -> None:
            advance(self._model, some, counts, seed, lanes, out)

        running = counts > 0
        reshaped = running & (controls.reshapes if controls is not None else False)
        forced = self._before_forced(running & ~reshaped)

        self.workers.run(plain, np.flatnonzero(running & ~reshaped & ~forced))
        if controls is not None and reshaped.any():
            under_controls = np.flatnonzero(reshaped)
            # computed here, by one thread
            logs, order = chain.logs, chain.descending
            from_rows, kept = self._rows.usable_by(under_controls, controls.arrays, logs)
            arrays = tuple(controls.arrays)

            def controlled(some: np.ndarray) -> None:
                rows = self._rows.borrow(kept)
                advance_controlled(
                    self._model, logs, order, some, counts, seed, lanes, arrays, tuple(rows), from_rows,
                    tuple(kept.shared), out,
                )  # fmt: skip
                self._rows.give_back(rows, kept)

            self.workers.run(controlled, under_controls)
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
