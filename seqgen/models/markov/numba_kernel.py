"""The loops of the compiled sampler of Markov chains.

Without controls or forced symbols, a draw reads a few successors; with controls, it evaluates all possible symbols.
The structures `Automaton` and `Tables` (`model`), `MarkovState`, `LaneControlArrays` and `StepArrays` (`out`) are
passed as plain tuples.
Legend: B lanes, V vocabulary, F forced positions, S states.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.lanes import LaneControlArrays, StepArrays
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.numba_lanes import MarkovState
from seqgen.models.markov.numba_sparse_draw import draw_possible, possible_symbols
from seqgen.models.markov.numba_tables import Tables, step, token_uniform
from seqgen.models.markov.numba_walk import collect, successors, take


@kernel
def advance(model, lanes, counts, seed, state, out):
    """Advance `lanes` by `counts` symbols, or to their end, drawing from the model's distribution."""
    a, tables, s, out = Automaton(*model[0]), Tables(*model[1]), MarkovState(*state), StepArrays(*out)
    for lane in lanes:
        _advance_plain(a, tables, lane, 0, counts[lane], seed, s, out)


@inline
def _advance_plain(a, tables, lane, begin, count, seed, s, out):
    here, at, index = s.state[lane], s.position[lane], s.index[lane]
    wanted = out.log_probs.shape[2] > 0
    out.counts[lane] = count
    for t in range(begin, count):
        symbol, after = step(tables, here, seed, index, at)
        if symbol == a.symbols:
            out.counts[lane] = t
            out.ended[lane] = True
            break
        out.symbols[lane, t] = symbol
        if wanted:
            log_prob = math.log(take(a, here, symbol)[0])
            out.log_probs[0, lane, t] = log_prob
            out.log_probs[1, lane, t] = log_prob
        here = after
        at += np.uint64(1)
    s.state[lane], s.position[lane] = here, at


@kernel
def advance_controlled(model, logs, lanes, counts, seed, state, controls, out):
    """Advance as `advance`, under controls; a lane stops where they leave no symbol to draw."""
    a, s = Automaton(*model[0]), MarkovState(*state)
    controls, out = LaneControlArrays(*controls), StepArrays(*out)
    outcomes = controls.allowed.shape[1]
    wanted = out.log_probs.shape[2] > 0
    possible = possible_symbols(outcomes)
    probabilities = np.empty(outcomes)
    for lane in lanes:
        out.counts[lane] = counts[lane]
        for t in range(counts[lane]):
            n = collect(a, logs, s.state[lane], possible, probabilities)
            u = token_uniform(seed, s.index[lane], s.position[lane])
            k, log_prob, log_prob_drawn = draw_possible(possible, n, controls, lane, u, wanted)
            if k < 0:
                out.counts[lane] = t
                break
            symbol = possible.symbol[k]
            if symbol == a.symbols:
                out.counts[lane] = t
                out.ended[lane] = True
                break
            out.symbols[lane, t] = symbol
            if wanted:
                out.log_probs[0, lane, t] = log_prob
                out.log_probs[1, lane, t] = log_prob_drawn
            controls.seen[lane, symbol] = True
            s.state[lane] = possible.next[k]
            s.position[lane] += np.uint64(1)


@kernel
def advance_forced(model, lane, count, seed, state, messages, out):
    """Advance one lane up to the last forced position, with the messages (F + 1, S) from later positions."""
    a, tables, s, out = Automaton(*model[0]), Tables(*model[1]), MarkovState(*state), StepArrays(*out)
    forced, wanted = s.forced[lane], out.log_probs.shape[2] > 0
    outcomes = a.symbols + (1 if a.ends else 0)
    probabilities = np.empty(outcomes, np.float64)
    states = np.empty(outcomes, np.int32)
    t = 0
    while t < count and s.position[lane] < np.uint64(len(messages) - 1):
        at = np.int64(s.position[lane])
        symbol, drawn = forced[at], 1.0
        if symbol >= 0:
            probability, after = take(a, s.state[lane], symbol)
        else:
            successors(a, s.state[lane], probabilities, states)
            u = token_uniform(seed, s.index[lane], s.position[lane])
            symbol, drawn = _draw_towards(probabilities[: a.symbols], states, messages[at + 1], u)
            probability, after = probabilities[symbol], states[symbol]
        if symbol == a.symbols:
            out.counts[lane] = t
            out.ended[lane] = True
            return
        out.symbols[lane, t] = symbol
        if wanted:
            out.log_probs[0, lane, t] = math.log(probability)
            out.log_probs[1, lane, t] = math.log(drawn)
        s.state[lane] = after
        s.position[lane] += np.uint64(1)
        t += 1
    _advance_plain(a, tables, lane, t, count, seed, s, out)


@inline
def _draw_towards(probabilities, states, ahead, uniform):
    """Draw a symbol with probability proportional to its probability times the message of its next state."""
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
