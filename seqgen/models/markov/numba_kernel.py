"""The loops of the compiled sampler of Markov chains.

Without controls, a draw reads a few successors, also before forced symbols; with them, it evaluates all possible ones,
once per state if the controls do not depend on the symbols before.
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
from seqgen.models.markov.numba_bridge import Bridge, draw_towards, draw_towards_among_all
from seqgen.models.markov.numba_lanes import MarkovState
from seqgen.models.markov.numba_largest import collect_largest
from seqgen.models.markov.numba_mixture import draw_from_mixture, keep_mixture
from seqgen.models.markov.numba_rows import Rows, draw_from_row, keep_row
from seqgen.models.markov.numba_shared import Shared
from seqgen.models.markov.numba_sparse_draw import (
    draw_weighed,
    log_normaliser,
    log_prob_drawn,
    log_prob_under_model,
    possible_symbols,
    weigh_possible,
)
from seqgen.models.markov.numba_tables import Tables, step, token_uniform
from seqgen.models.markov.numba_walk import collect, take


@kernel
def advance(model, lanes, counts, seed, state, out):
    """Advance `lanes` by `counts` symbols, or to their end, drawing from the model's distribution."""
    a, tables, s, out = Automaton(*model[0]), Tables(*model[1]), MarkovState(*state), StepArrays(*out)
    for lane in lanes:
        _advance_plain(a, tables, lane, 0, counts[lane], seed, s, out)


@kernel
def advance_unscored(tables, end, lanes, counts, seed, state, out):
    """Advance as `advance`, without log-probabilities.

    A chunk of one symbol takes most of its time for passing arrays, so that this kernel has few of them: of `Tables`,
    the first three fields of `MarkovState`, and `StepArrays` without log-probabilities. `end` is the symbol that ends
    a sample, V.
    """
    tables = Tables(*tables)
    index, position, states = state
    symbols, made, ended = out
    for lane in lanes:
        count = counts[lane]
        made[lane] = count
        t, here = _walk(tables, end, lane, 0, count, seed, index, position, states[lane], symbols)
        states[lane] = here
        position[lane] += np.uint64(t)
        if t < count:
            made[lane] = t
            ended[lane] = True


@inline
def _walk(tables, end, lane, begin, count, seed, index, position, here, symbols):
    """Write symbols of a lane from place `begin` on; return the place of the end or `count`, and the state there."""
    own, first = index[lane], position[lane] - np.uint64(begin)
    t = begin
    while t < count:
        symbol, after = step(tables, here, seed, own, first + np.uint64(t))
        if symbol == end:
            break
        symbols[lane, t] = symbol
        here = after
        t += 1
    return t, here


@inline
def _advance_plain(a, tables, lane, begin, count, seed, s, out):
    before = s.state[lane]
    t, here = _walk(tables, a.symbols, lane, begin, count, seed, s.index, s.position, before, out.symbols)
    if out.log_probs.shape[2] > 0:
        for k in range(begin, t):
            probability, before = take(a, before, out.symbols[lane, k])
            log_prob = math.log(probability)
            out.log_probs[0, lane, k] = log_prob
            out.log_probs[1, lane, k] = log_prob
    out.counts[lane] = t
    out.ended[lane] = t < count
    s.state[lane] = here
    s.position[lane] += np.uint64(t - begin)


@kernel
def advance_controlled(
    model, logs, order, lanes, counts, seed, state, controls, rows, from_rows, shared, out
):
    """Advance as `advance`, under controls; a lane stops where they leave no symbol to draw.

    Args:
        rows: `Rows`, which are extended. from_rows: (B,) bool, lanes that have the controls of the rows.
        shared: `Shared`, or empty arrays if the controls need all symbols.
    """
    a, s, rows = Automaton(*model[0]), MarkovState(*state), Rows(*rows)
    shared = Shared(*shared)
    controls, out = LaneControlArrays(*controls), StepArrays(*out)
    outcomes = controls.allowed.shape[1]
    wanted = out.log_probs.shape[2] > 0
    possible = possible_symbols(outcomes)
    probabilities = np.empty(outcomes)
    for lane in lanes:
        out.counts[lane] = counts[lane]
        for t in range(counts[lane]):
            here = s.state[lane]
            u = token_uniform(seed, s.index[lane], s.position[lane])
            symbol, after, log_prob, drawn = np.int32(-1), np.int32(0), 0.0, 0.0
            place = np.int64(rows.place[here]) if from_rows[lane] else 0
            mixes = from_rows[lane] and len(shared.masses) > 0 and a.backoff[here] > 0.0
            if mixes:
                if place == 0:
                    place = keep_mixture(a, logs, rows, shared, here, possible, controls, lane)
                if place > 0:
                    symbol, after = draw_from_mixture(a, rows, place, shared, u)
                place = 0
            n, m = 0, 0
            if symbol < 0 and place == 0:
                n, m = _weigh(a, logs, order, here, possible, probabilities, controls, lane, wanted)
                if from_rows[lane] and not mixes:
                    place = keep_row(rows, here, possible, n, m)
            if place > 0:
                k = draw_from_row(rows, place, u)
                if k >= 0:
                    symbol, after = rows.entries[k].symbol, rows.entries[k].next
                    if wanted:
                        log_prob, drawn = rows.scores[k]
            elif symbol < 0:
                k = draw_weighed(possible, m, u)
                if k >= 0:
                    symbol, after = possible.symbol[possible.left[k]], possible.next[possible.left[k]]
                    if wanted:
                        log_prob = log_prob_under_model(possible, k, log_normaliser(possible.model, n))
                        drawn = log_prob_drawn(possible, k, log_normaliser(possible.logits, m))
            if symbol < 0 or symbol == a.symbols:
                out.counts[lane] = t
                out.ended[lane] = symbol >= 0
                break
            out.symbols[lane, t] = symbol
            if wanted:
                out.log_probs[0, lane, t] = log_prob
                out.log_probs[1, lane, t] = drawn
            controls.seen[lane, symbol] = True
            s.state[lane] = after
            s.position[lane] += np.uint64(1)


@inline
def _weigh(a, logs, order, here, possible, probabilities, controls, lane, wanted):
    """Weigh the possible symbols after a state; return how many there are, and how many the controls leave."""
    n = np.int64(-1)
    if not wanted:
        n = np.int64(collect_largest(a, logs, order, here, possible, controls, lane))
    if n < 0:
        n = np.int64(collect(a, logs, here, possible, probabilities))
    return n, weigh_possible(possible, n, a.backoff[here] == 0.0, controls, lane)


@kernel
def advance_forced(model, lanes, counts, seed, state, bridge, out):
    """Advance `lanes`, whose condition is that of `bridge`, drawing towards its forced symbols up to the last of them.

    The symbol at a free position is drawn among all symbols if log-probabilities are wanted, which are ratios of sums
    over all of them.
    """
    a, tables, s, out = Automaton(*model[0]), Tables(*model[1]), MarkovState(*state), StepArrays(*out)
    bridge = Bridge(*bridge)
    outcomes = a.symbols + (1 if a.ends else 0)
    probabilities, states = np.empty(outcomes), np.empty(outcomes, np.int32)
    scratch = np.empty((len(a.lengths) + 1) * outcomes)
    wanted = out.log_probs.shape[2] > 0
    for lane in lanes:
        t, last = 0, np.uint64(len(bridge.messages) - 1)
        while t < counts[lane] and s.position[lane] < last:
            at, here = np.int64(s.position[lane]), s.state[lane]
            symbol, drawn = s.forced[lane, at], 1.0
            if symbol < 0:
                u = token_uniform(seed, s.index[lane], s.position[lane])
                if not wanted:
                    symbol = draw_towards(a, bridge, here, at, u, scratch)
                if symbol < 0:
                    ahead = bridge.messages[at + 1]
                    symbol, drawn = draw_towards_among_all(a, here, ahead, u, probabilities, states)
            if symbol == a.symbols:
                break
            out.symbols[lane, t] = symbol
            probability, s.state[lane] = take(a, here, symbol)
            if wanted:
                if s.forced[lane, at] < 0:
                    # multiplied in another order than by `take`
                    probability = probabilities[symbol]
                out.log_probs[0, lane, t] = math.log(probability)
                out.log_probs[1, lane, t] = math.log(drawn)
            s.position[lane] += np.uint64(1)
            t += 1
        if t < counts[lane] and s.position[lane] < last:
            out.counts[lane] = t
            out.ended[lane] = True
        else:
            _advance_plain(a, tables, lane, t, counts[lane], seed, s, out)
