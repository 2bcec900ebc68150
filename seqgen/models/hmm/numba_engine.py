"""The fused sampler of HMMs and Gaussian mixtures; `numba_sampling` contains its loops.

Without a repetition penalty, the controls depend only on the hidden state, so they are applied once to every row of
the emission and cost nothing afterwards.
Legend: B lanes, N symbols, D dimensions, K states, V symbols.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Engine, Request, Start, StepOutput
from seqgen.kernels.compile import say_compiling
from seqgen.models.hmm import numba_sampling as loops
from seqgen.models.hmm.emissions import GaussianMixture, parts
from seqgen.models.hmm.inference import Chain, last_filtered
from seqgen.models.hmm.inverse_cdf import GuideTable, guide_table
from seqgen.models.hmm.numba_observe import Arrays, observer
from seqgen.models.hmm.numba_sampling import Steps
from seqgen.models.hmm.start import conditioned_state
from seqgen.threads import Workers


class HMMState(NamedTuple):
    """The state of every lane.

    Attributes:
        index: (B,) int64, of the samples. position: (B,) int64, of the next observation.
        hidden: (B,) int64, the last state; at position 0, that of the first observation.
        first_log_prob: (B,) float64, the log-probability of the first state.
    """

    index: np.ndarray  # type: ignore[assignment]  # tuple.index is hidden
    position: np.ndarray
    hidden: np.ndarray
    first_log_prob: np.ndarray


class HMMEngine(Engine):
    """Samples `HMM`s and `GaussianMixture`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        start, transition, self._emission = weights.once("parts", lambda: parts(weights))
        self._chain = Chain(start, transition)
        self._plain = weights.family == GaussianMixture.family
        self._seed, self._wants_log_probs = np.uint64(request.seed), request.log_probs
        self._walk = weights.once("walk", lambda: guide_table(transition))
        self._walk_arrays = tuple(self._walk)
        self._observe = observer(self._emission, request, weights)
        lanes = request.lanes
        self._lanes = HMMState(
            index=np.zeros(lanes, np.int64),
            position=np.zeros(lanes, np.int64),
            hidden=np.zeros(lanes, np.int64),
            first_log_prob=np.zeros(lanes),
        )
        self._ended = np.zeros(lanes, np.bool_)
        self.workers: Workers = Workers(request.threads)
        self._prefilled: tuple[Start, np.ndarray, GuideTable] | None = None
        say_compiling("hidden Markov model")

    def state(self) -> dict[str, np.ndarray]:
        return {**self._lanes._asdict(), **self._observe.state()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().restore(arrays)
        self._observe.restored()

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        if self._prefilled is None or self._prefilled[0] is not start:
            first = self._first_state(start)
            self._prefilled = (start, first, guide_table([first]))
        _, first, table = self._prefilled
        self._observe.begin(lanes, start)
        states = np.empty(len(lanes), np.int64)
        loops.first_states(self._seed, indices, tuple(table), states)
        own = self._lanes
        own.index[lanes], own.position[lanes], own.hidden[lanes] = indices, 0, states
        own.first_log_prob[lanes] = np.log(first[states])

    def _first_state(self, start: Start) -> np.ndarray:
        """Return the distribution of the state at position 0, (K,)."""
        state = conditioned_state(start, len(self._chain.start))
        if state is not None:
            return self._chain.transition[state]
        if start.prompt is None:
            return self._chain.start
        observations = self._emission.check(start.prompt)
        return last_filtered(self._chain, self._emission, observations, "prompt") @ self._chain.transition

    def advance(self, counts: np.ndarray) -> StepOutput:
        lanes, own = counts.nonzero()[0], self._lanes
        states = np.zeros((len(counts), max(counts.tolist())), np.int64)
        if not self._wants_log_probs and (table := self._observe.table()) is not None:
            return self._integers(lanes, counts, states, table)
        before = own.hidden.copy() if self._wants_log_probs else own.hidden
        drawn = self._observe.room(states.shape)
        steps = Steps(self._seed, counts, own.index, own.position, states)

        def work(some: np.ndarray) -> None:
            if len(self._walk.offset) > 1:
                loops.sample_states(some, tuple(steps), own.hidden, self._walk_arrays)
            self._observe.draw(some, steps, drawn)

        self.workers.run(work, lanes)
        extra = {} if self._plain else {"states": states}
        if "components" in drawn:
            extra["components"] = drawn["components"]
        if self._wants_log_probs:
            extra |= self._log_probs(lanes, counts, before, states, drawn)
        own.position[:] += counts
        return self._output(drawn["symbols"], counts, extra)

    def _integers(
        self, lanes: np.ndarray, counts: np.ndarray, states: np.ndarray, table: GuideTable
    ) -> StepOutput:
        """Advance without log-probabilities, where all lanes draw integers from one table."""
        walk, dimensions = self._walk_arrays, self._emission.dimensions
        symbols = np.empty((*states.shape, dimensions or 1), np.int64)
        state, drawn_from = self._lanes[:3], tuple(table)

        def work(some: np.ndarray) -> None:
            loops.sample_integers(some, self._seed, counts, state, walk, drawn_from, states, symbols)

        self.workers.run(work, lanes)
        return self._output(symbols, counts, {} if self._plain else {"states": states})

    def _output(self, symbols: np.ndarray, counts: np.ndarray, extra: dict[str, np.ndarray]) -> StepOutput:
        """Return symbols (B, N, D), as (B, N) if they have no dimensions."""
        return StepOutput(
            symbols if self._emission.dimensions else symbols[:, :, 0], counts.copy(), self._ended, extra
        )

    def _log_probs(
        self,
        lanes: np.ndarray,
        counts: np.ndarray,
        before: np.ndarray,
        states: np.ndarray,
        drawn: Arrays,
    ) -> dict[str, np.ndarray]:
        """Return log p(x_t, z_t | z_{t-1}) under the model and after the controls, each (B, N)."""
        model, after = np.zeros(states.shape), np.zeros(states.shape)
        log_transition = self._chain.log()[1]
        for b in lanes:
            some, symbols = states[b, : counts[b]], drawn["symbols"][b, : counts[b]]
            walked = log_transition[np.concatenate([before[b, None], some[:-1]]), some]
            if self._lanes.position[b] == 0:
                walked[0] = self._lanes.first_log_prob[b]
            x = symbols if self._emission.dimensions else symbols[:, 0]
            own = self._emission.log_likelihood(x)[np.arange(len(some)), some]
            model[b, : counts[b]] = walked + own
            changed = self._observe.log_drawn(int(b), some, x, drawn)
            after[b, : counts[b]] = walked + (own if changed is None else changed)
        return {"log_prob": model, "log_prob_drawn": after}
