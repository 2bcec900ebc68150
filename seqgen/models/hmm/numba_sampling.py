"""The sampling loops of HMMs: states first, then observations given the states, lane by lane.

The random numbers are specified in `seqgen.models.hmm.torch_engine`. They are generated in blocks before the dependent
steps, and a categorical draw is a few operations on the word itself (see `seqgen.models.hmm.inverse_cdf`).
Legend: B lanes, N symbols, D dimensions, K states, V symbols, R rows of parameters (states times components).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.draw import draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.loops import put
from seqgen.kernels.normals import fill_normals
from seqgen.kernels.random import philox4, to_uniform
from seqgen.kernels.words import fill_words, planes
from seqgen.rng import Purpose

BLOCK = 1024
_STATE, _EMISSION, _COMPONENT = int(Purpose.STATE), int(Purpose.EMISSION), int(Purpose.COMPONENT)


@inline
def _draw(thresholds, guide, bits, row, word):
    """Return the place in `thresholds` that the word draws in a row; indices are unsigned, so no sign is tested."""
    place = np.uint64(guide[(row << bits) + (np.uint64(word) >> (np.uint64(32) - bits))])
    while thresholds[place] < word:
        place += np.uint64(1)
    return place


class Steps(NamedTuple):
    """The steps and samples to draw. Kernels unpack it, and a `GuideTable`, at their start.

    Attributes:
        seed: of the random numbers. counts: (B,) int64 steps. index, position: (B,) int64, of samples and within them.
        states: (B, N) int64, the hidden states.
    """

    seed: np.uint64
    counts: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # tuple.index is hidden
    position: np.ndarray
    states: np.ndarray


@kernel
def first_states(seed, indices, table, out):
    """Draw the state at position 0 of each sample, from a table of one row."""
    thresholds, guide, _, bits = table
    for k in range(len(indices)):
        word = np.uint32(philox4(seed, np.uint64(indices[k]), np.uint64(0), _STATE)[0])
        out[k] = _draw(thresholds, guide, np.uint64(bits), np.uint64(0), word)


@kernel
def sample_states(lanes, steps, hidden, table):
    """Sample the hidden chain of `lanes`, filling in the states of `steps`.

    Args:
        steps, table: `Steps`, and the `GuideTable` of the transition rows, as plain tuples.
        hidden: (B,) the previous state, replaced by the last one; before position 0 it is the first state itself.
    """
    _walk(lanes, steps, hidden, table, np.empty(BLOCK + 8, np.uint32), planes())


@kernel
def sample_discrete(lanes, steps, table, symbols):
    """Draw integers given the states: `symbols` (B, N, D) from a table of K D rows."""
    words = np.empty(BLOCK * symbols.shape[2] + 8, np.uint32)
    _draw_integers(lanes, steps, table, symbols, words, planes())


@kernel
def sample_integers(lanes, seed, counts, state, walk, table, states, symbols):
    """Advance `lanes` by states and integers, as `sample_states` and `sample_discrete` do, and their positions.

    `state` has the index, position and hidden state of every lane, `walk` and `table` are as there. One call instead of
    two, with an array less for each that both read, saves an eighth of the time of a chunk of one symbol.
    """
    index, position, hidden = state
    steps = seed, counts, index, position, states
    words, scratch = np.empty(BLOCK * symbols.shape[2] + 8, np.uint32), planes()
    if len(walk[2]) > 1:
        _walk(lanes, steps, hidden, walk, words, scratch)
    _draw_integers(lanes, steps, table, symbols, words, scratch)
    for b in lanes:
        position[b] += counts[b]


@inline
def _walk(lanes, steps, hidden, table, words, scratch):
    seed, counts, index, position, states = steps
    thresholds, guide, _, bits = table
    bits = np.uint64(bits)
    size = np.uint64(len(guide) >> bits)
    width = np.uint64(len(thresholds)) // size
    for b in lanes:
        state = np.uint64(hidden[b])
        done = 0
        if position[b] == 0:
            states[b, 0] = state
            done = 1
        while done < counts[b]:
            count = min(BLOCK, counts[b] - done)
            skip = fill_words(seed, np.uint64(index[b]), position[b] + done, count, _STATE, scratch, words)
            ready, row = words[skip:], states[b, done:]
            for j in range(count):
                state = _draw(thresholds, guide, bits, state, ready[j]) - state * width
                row[j] = state
            done += count
        hidden[b] = state


@inline
def _draw_integers(lanes, steps, table, symbols, words, scratch):
    seed, counts, index, position, states = steps
    thresholds, guide, offset, bits = table
    dims = symbols.shape[2]
    bits = np.uint64(bits)
    for b in lanes:
        for done in range(0, counts[b], BLOCK):
            count, number = min(BLOCK, counts[b] - done), (position[b] + done) * dims
            skip = fill_words(seed, np.uint64(index[b]), number, count * dims, _EMISSION, scratch, words)
            some, out = states[b, done:], symbols[b, done:]
            for d in range(dims):
                ready = words[skip + d :]
                for j in range(count):
                    row = np.uint64(some[j] * dims + d)
                    place = _draw(thresholds, guide, bits, row, ready[j * dims])
                    out[j, d] = np.int64(place) + offset[row]


@kernel
def sample_components(lanes, steps, table, components):
    """Draw the component of each observation: `components` (B, N) from a table of K rows."""
    seed, counts, index, position, states = steps
    thresholds, guide, _, bits = table
    words, scratch = np.empty(BLOCK + 8, np.uint32), planes()
    bits = np.uint64(bits)
    size = np.uint64(len(guide) >> bits)
    width = np.uint64(len(thresholds)) // size
    for b in lanes:
        for done in range(0, counts[b], BLOCK):
            count, number = min(BLOCK, counts[b] - done), position[b] + done
            skip = fill_words(seed, np.uint64(index[b]), number, count, _COMPONENT, scratch, words)
            for j in range(count):
                row = np.uint64(states[b, done + j])
                components[b, done + j] = _draw(thresholds, guide, bits, row, words[skip + j]) - row * width


@kernel
def sample_gaussian(lanes, steps, rows, means, factors, symbols):
    """Draw vectors: `symbols` (B, N, D) = means[row] + factors[row] @ normals, with `rows` (B, N).

    `factors` are standard deviations (R, D, 1) or lower Cholesky factors (R, D, D).
    """
    seed, counts, index, position, _ = steps
    dims = means.shape[1]
    diagonal = factors.shape[2] == 1
    words, scratch = np.empty(BLOCK * dims + 8, np.uint32), planes()
    normals, work = np.empty(BLOCK * dims), np.empty((2, BLOCK * dims))
    tails = np.empty(BLOCK * dims + 1, np.int64)
    for b in lanes:
        for done in range(0, counts[b], BLOCK):
            count, number = min(BLOCK, counts[b] - done), (position[b] + done) * dims
            skip = fill_words(seed, np.uint64(index[b]), number, count * dims, _EMISSION, scratch, words)
            fill_normals(words[skip:], count * dims, tails, work, normals)
            for j in range(count):
                row = rows[b, done + j]
                z = normals[j * dims : (j + 1) * dims]
                x = symbols[b, done + j]
                for d in range(dims):
                    if diagonal:
                        x[d] = means[row, d] + factors[row, d, 0] * z[d]
                    else:
                        value = means[row, d]
                        for e in range(d + 1):
                            value += factors[row, d, e] * z[e]
                        x[d] = value


@kernel
def sample_penalised(lanes, steps, log_p, controls, symbols, log_drawn):
    """Draw symbols (B, N, 1) from log_p (K, V) where the controls depend on the symbols so far.

    `log_drawn` (B, N) is filled with their log-probabilities after the controls.
    """
    seed, counts, index, position, states = steps
    controls = LaneControlArrays(*controls)
    scratch = draw_scratch(log_p.shape[1])
    for b in lanes:
        for j in range(counts[b]):
            number = position[b] + j
            four = philox4(seed, np.uint64(index[b]), np.uint64(number // 4), _EMISSION)
            put(log_p[states[b, j]], scratch.logits)
            symbol, _, drawn = draw(scratch, controls, b, to_uniform(four[number % 4]), True)
            symbols[b, j, 0] = symbol
            log_drawn[b, j] = drawn
            controls.seen[b, symbol] = True
