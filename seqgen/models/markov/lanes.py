"""Lane state of both engines of Markov chains, in arrays that can be saved and restored.

Arrays for controls and conditions are allocated when a lane first has any.
Legend: B lanes, V vocabulary, F forced positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Engine, Request, Start
from seqgen.engines.lane_controls import LaneControls
from seqgen.errors import SeqgenError
from seqgen.models.markov.bridging import FREE, Messages, forced_symbols, most_forced
from seqgen.models.markov.numba_lanes import MarkovState


class MarkovLanes(Engine):
    """Base class of both engines: starts, saves and restores lanes.

    For controls, the end of a sample is a symbol that is always allowed and never penalised. A condition cannot be
    combined with controls that change the distribution.
    """

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        from seqgen.models.markov.model import MarkovChain

        self._chain: MarkovChain = MarkovChain.from_weights(weights) if model is None else model
        self._automaton = self._chain.automaton
        self._request = request
        lanes = request.lanes
        self._lanes = MarkovState(
            index=np.zeros(lanes, np.uint64),
            position=np.zeros(lanes, np.uint64),
            state=np.full(lanes, self._automaton.start, np.int32),
            forced=np.full((lanes, 0), FREE, np.int32),
        )
        self._controls: LaneControls | None = None
        self._messages = Messages(self._automaton)
        self._begun: tuple[Start, int, np.ndarray] | None = None

    @property
    def _outcomes(self) -> int:
        """The number of outcomes of a draw: V symbols, plus the end if samples have ends."""
        return self._automaton.symbols + self._automaton.ends

    def state(self) -> dict[str, np.ndarray]:
        return {**self._lanes._asdict(), **({} if self._controls is None else self._controls.state())}

    def lengths(self) -> dict[str, int]:
        return {"S": len(self._automaton.parent)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        if "forced" in arrays and arrays["forced"].shape[-1] > most_forced(self._automaton):
            raise SeqgenError(
                f"the state has {arrays['forced'].shape[-1]} forced positions, more than a condition can have"
            )
        before = self._controls, self._lanes
        if "control_seen" in arrays:
            self._with_controls()
        else:
            self._controls = None
        if "forced" in arrays and len(arrays["forced"]) == len(self._lanes.forced):
            self._lanes = self._lanes._replace(forced=np.empty_like(arrays["forced"]))
        try:
            super().restore(arrays)
        except SeqgenError:
            self._controls, self._lanes = before
            raise

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        if self._begun is None or self._begun[0] is not start:
            self._begun = (start, *self._start(start))
        _, state, forced = self._begun
        if start.controls.reshapes or self._controls is not None:
            bound = start.controls
            if bound.allowed is not None and self._automaton.ends:
                bound = replace(bound, allowed=np.append(bound.allowed, True))
            self._with_controls().begin(lanes, bound, start.prompt)
        self._allocate_forced(len(forced))
        own = self._lanes
        own.index[lanes] = indices
        own.position[lanes] = 0
        own.state[lanes] = state
        own.forced[lanes] = FREE
        own.forced[lanes, : len(forced)] = forced

    def _allocate_forced(self, positions: int) -> None:
        """Allocate at least `positions` forced positions per lane."""
        forced = self._lanes.forced
        if positions > forced.shape[1]:
            wider = np.full((len(forced), positions), FREE, np.int32)
            wider[:, : forced.shape[1]] = forced
            self._lanes = self._lanes._replace(forced=wider)

    def _start(self, start: Start) -> tuple[int, np.ndarray]:
        """Return the state after the prompt and the forced symbols, and check that these are possible."""
        prompt = np.zeros(0, np.int64) if start.prompt is None else start.prompt
        state = self._automaton.follow(self._automaton.start, prompt)
        if start.condition is None:
            return state, np.zeros(0, np.int32)
        if start.controls.reshapes:
            raise SeqgenError(
                "condition cannot be combined with controls that change the distribution; use stop only"
            )
        forced = forced_symbols(start.condition, self._chain.codec, self._automaton)
        if self._messages.of(forced)[0, state] == 0.0:
            raise SeqgenError(
                f"condition {dict(start.condition)!r} cannot happen: this chain gives it probability 0; a chain "
                "fitted with smoothing='kneser-ney' gives every sequence of known symbols a positive probability"
            )
        return state, forced

    def _with_controls(self) -> LaneControls:
        if self._controls is None:
            self._controls = LaneControls(self._request.lanes, self._outcomes)
        return self._controls

    def _forced_of(self, lane: int) -> np.ndarray:
        """Return the lane's condition up to its last forced position."""
        forced = self._lanes.forced[lane]
        last = np.flatnonzero(forced != FREE)
        return forced[: last[-1] + 1] if len(last) else forced[:0]
