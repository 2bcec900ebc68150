"""The compiled sampler of Markov chains: sparse draws, and dense ones under controls or forced symbols.

Without either a draw looks at a few successors; with them it evaluates all V symbols, and the end.
Legend: B lanes, N symbols in a round, V vocabulary, F forced positions, S states.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request, StepOutput
from seqgen.kernels.compile import inline, kernel, say_compiling
from seqgen.kernels.draw import draw
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.lanes import MarkovLanes
from seqgen.models.markov.numba_tables import Tables, step, token_uniform
from seqgen.models.markov.numba_walk import successors, take
from seqgen.threads import Workers


class MarkovEngine(MarkovLanes):
    """Samples `MarkovChain`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request, model=model)
        say_compiling("Markov chain")
        # plain tuples, because a call with a named one leaves a string in CPython's cache of attributes
        self._fields, self._records = tuple(self._automaton), tuple(self._chain.tables)
        self._workers = Workers(request.threads)

    def advance(self, counts: np.ndarray) -> StepOutput:
        lanes, longest = len(counts), int(counts.max())
        made = StepOutput(
            np.zeros((lanes, longest), np.int32), np.zeros(lanes, np.int64), np.zeros(lanes, np.bool_), {}
        )
        log_probs = np.zeros((lanes, longest if self._request.log_probs else 0, 2))
        controls, running = self._controls, counts > 0
        reshaped = running & (controls.reshapes if controls is not None else False)
        forced = running & (self._forced >= 0).any(1) & ~reshaped
        seed, outputs = np.uint64(self._request.seed), (*made[:3], log_probs)
        lane_state = (self._index, self._position, self._state)

        def plain(some: np.ndarray) -> None:
            _advance(self._fields, self._records, some, counts, seed, *lane_state, *outputs)

        def controlled(some: np.ndarray) -> None:
            assert controls is not None
            _advance_controlled(
                self._fields, some, counts, seed, *lane_state,
                controls.parameters, controls.allowed, controls.seen, *outputs,
            )  # fmt: skip

        self._workers.run(plain, np.flatnonzero(running & ~reshaped & ~forced))
        self._workers.run(controlled, np.flatnonzero(reshaped))
        for lane in np.flatnonzero(forced).tolist():
            wanted = self._forced_of(lane)
            _advance_forced(
                self._fields, self._records, lane, counts[lane], seed, *lane_state,
                wanted, self._messages.of(wanted), *outputs,
            )  # fmt: skip
        if self._request.log_probs:
            extra = {"log_prob": log_probs[:, :, 0], "log_prob_drawn": log_probs[:, :, 1]}
            return made._replace(extra=extra)
        return made

    def close(self) -> None:
        self._workers.close()


@kernel
def _advance(
    fields, records, lanes, counts, seed, index, position, state, symbols, made, ended, log_probs
):  # fmt: skip
    """Advance `lanes` by `counts` symbols, or to their end, from the model's own distribution."""
    a, tables = Automaton(*fields), Tables(*records)
    for lane in lanes:
        _advance_plain(
            a, tables, lane, 0, counts[lane], seed, index, position, state, symbols, made, ended, log_probs
        )


@inline
def _advance_plain(
    a, tables, lane, begin, count, seed, index, position, state, symbols, made, ended, log_probs
):  # fmt: skip
    here, at = state[lane], position[lane]
    made[lane] = count
    for t in range(begin, count):
        symbol, after = step(tables, here, seed, index[lane], at)
        if symbol == a.symbols:
            made[lane] = t
            ended[lane] = True
            break
        symbols[lane, t] = symbol
        if log_probs.shape[1] > 0:
            log_probs[lane, t, :] = math.log(take(a, here, symbol)[0])
        here = after
        at += np.uint64(1)
    state[lane], position[lane] = here, at


@kernel
def _advance_controlled(
    fields, lanes, counts, seed, index, position, state, parameters, allowed, seen,
    symbols, made, ended, log_probs,
):  # fmt: skip
    """As `_advance`, under controls; a lane that they leave nothing to draw makes no more symbols."""
    a = Automaton(*fields)
    outcomes = allowed.shape[1]
    logits = np.empty(outcomes, np.float64)
    states = np.empty(outcomes, np.int32)
    work = np.empty((2, outcomes), np.float64)
    order = np.empty(outcomes, np.int64)
    for lane in lanes:
        made[lane] = counts[lane]
        for t in range(counts[lane]):
            successors(a, state[lane], logits, states)
            for v in range(outcomes):
                logits[v] = math.log(logits[v]) if logits[v] > 0.0 else -np.inf
            u = token_uniform(seed, index[lane], position[lane])
            symbol, log_prob, log_prob_drawn = draw(
                logits, True, parameters[lane], allowed[lane], seen[lane], order, work, u,
                log_probs.shape[1] > 0,
            )  # fmt: skip
            if symbol < 0:
                made[lane] = t
                break
            if symbol == a.symbols:
                made[lane] = t
                ended[lane] = True
                break
            symbols[lane, t] = symbol
            if log_probs.shape[1] > 0:
                log_probs[lane, t, 0] = log_prob
                log_probs[lane, t, 1] = log_prob_drawn
            seen[lane, symbol] = True
            state[lane] = states[symbol]
            position[lane] += np.uint64(1)


@kernel
def _advance_forced(
    fields, records, lane, count, seed, index, position, state, forced, messages,
    symbols, made, ended, log_probs,
):  # fmt: skip
    """As `_advance` for one lane, given `forced` (F,) symbols and their `messages` (F + 1, S)."""
    a, tables = Automaton(*fields), Tables(*records)
    outcomes = a.symbols + (1 if a.ends else 0)
    probabilities = np.empty(outcomes, np.float64)
    states = np.empty(outcomes, np.int32)
    t = 0
    while t < count and position[lane] < np.uint64(len(forced)):
        at = np.int64(position[lane])
        symbol, drawn = forced[at], 1.0
        if symbol >= 0:
            probability, after = take(a, state[lane], symbol)
        else:
            successors(a, state[lane], probabilities, states)
            u = token_uniform(seed, index[lane], position[lane])
            symbol, drawn = _draw_towards(probabilities[: a.symbols], states, messages[at + 1], u)
            probability, after = probabilities[symbol], states[symbol]
        if symbol == a.symbols:
            made[lane] = t
            ended[lane] = True
            return
        symbols[lane, t] = symbol
        if log_probs.shape[1] > 0:
            log_probs[lane, t, 0] = math.log(probability)
            log_probs[lane, t, 1] = math.log(drawn)
        state[lane] = after
        position[lane] += np.uint64(1)
        t += 1
    _advance_plain(a, tables, lane, t, count, seed, index, position, state, symbols, made, ended, log_probs)


@inline
def _draw_towards(probabilities, states, ahead, uniform):
    """Draw a symbol in proportion to its probability times the message of its next state."""
    total = 0.0
    for v in range(len(probabilities)):
        total += probabilities[v] * ahead[states[v]]
    threshold = uniform * total
    running, last = 0.0, 0
    for v in range(len(probabilities)):
        weight = probabilities[v] * ahead[states[v]]
        running += weight
        if weight > 0.0:
            last = v
            if running > threshold:
                break
    return last, probabilities[last] * ahead[states[last]] / total
