"""The loop of the fused sampler of recurrent networks: gates, activations, output, controls, random numbers and draw.

The hidden states of all layers of a lane are adjacent, so that the input of layer l, which is the new state of the
layer below and its own previous state, is one contiguous vector for one matrix product. The first layer's product with
the one-hot symbol is a row of a table.
Legend: B lanes, M of them in a thread, V vocabulary, H hidden size, L layers.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.kernels import activations
from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.draw import draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays, StepArrays
from seqgen.kernels.random import uniform
from seqgen.kernels.vector import matmul
from seqgen.models.char_rnn.numba_packing import GRU, LSTM, Packed
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)


class CharRNNState(NamedTuple):
    """The state of every lane.

    Attributes:
        states: (B, L H) float32, hidden states. cells: (B, L H) float32 of an LSTM, else (B, 0).
        previous: (B,) int64, the last symbol, -1 before the first.
        position: (B,) uint64, of the next symbol in its sample. index: (B,) uint64, of the samples.
    """

    states: np.ndarray
    cells: np.ndarray
    previous: np.ndarray
    position: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # tuple.index is hidden


@inline
def _activate(cell, gates, column, hidden, gate, states, at, cells, cell_at):
    """Compute the new hidden state of one lane and layer from its gate sums, in place of the old one at states[at:]."""
    # with signed indices LLVM does not vectorise these loops, see `kernels.loops`
    column, gate, at, cell_at = np.uintp(column), np.uintp(gate), np.uintp(at), np.uintp(cell_at)
    second, third, fourth = column + gate, column + gate + gate, column + gate + gate + gate
    if cell == LSTM:
        for j in range(np.uintp(hidden)):
            kept = activations.sigmoid(gates[second + j]) * cells[cell_at + j]
            new = activations.sigmoid(gates[column + j]) * activations.tanh(gates[third + j])
            cells[cell_at + j] = kept + new
        for j in range(np.uintp(hidden)):
            opened = activations.sigmoid(gates[fourth + j])
            states[at + j] = opened * activations.tanh(cells[cell_at + j])
    elif cell == GRU:
        for j in range(np.uintp(hidden)):
            reset = activations.sigmoid(gates[column + j])
            update = activations.sigmoid(gates[second + j])
            new = activations.tanh(gates[third + j] + reset * gates[fourth + j])
            states[at + j] = new + update * (states[at + j] - new)
    else:
        for j in range(np.uintp(hidden)):
            states[at + j] = activations.tanh(gates[column + j])


@kernel
def advance(packed, lanes, counts, forced, seed, state, controls, out):
    """Advance `lanes`, in descending order of `counts`, by `counts` symbols; or prefill the first with `forced` (T,).

    `packed`, `state`, `controls` and `out` are `Packed`, `CharRNNState`, `LaneControlArrays` and `StepArrays` as plain
    tuples; symbols and log-probabilities of `out` are filled in.

    Returns False if the controls of a lane leave no symbol to draw.
    """
    p, s = Packed(*packed), CharRNNState(*state)
    controls, out = LaneControlArrays(*controls), StepArrays(*out)
    # local names for fields that are read in loops, because each access to a field counts references
    hidden, table, matrices, biases, head = p.hidden, p.table, p.matrices, p.biases, p.head
    states, cells, previous, position, index = s
    symbols, log_probs, seen = out.symbols, out.log_probs, controls.seen
    width, cell_width, columns = states.shape[1], cells.shape[1], table.shape[1]
    vocabulary = seen.shape[1]
    outputs = len(head)
    many = len(lanes)
    want_log_probs = log_probs.shape[2] > 0
    # local copies: the rows of the lanes of this call, one after another
    own = np.empty(many * width, np.float32)
    own_cells = np.empty(many * cell_width, np.float32)
    for m in range(many):
        for j in range(width):
            own[m * width + j] = states[lanes[m], j]
        for j in range(cell_width):
            own_cells[m * cell_width + j] = cells[lanes[m], j]
    gates = np.empty(many * columns, np.float32)
    sums = np.empty(many * outputs, np.float32)
    scratch = draw_scratch(vocabulary)
    logits = scratch.logits
    running = many
    possible = True
    for t in range(counts[0]):
        while running > 0 and counts[running - 1] <= t:
            running -= 1
        matrix = 0
        for layer in range(p.layers):
            inputs = hidden if layer == 0 else 2 * hidden
            first = 0 if layer == 0 else (layer - 1) * hidden
            for m in range(running):
                if layer == 0:
                    symbol = forced[t] if len(forced) else previous[lanes[m]]
                    row = symbol if symbol >= 0 else vocabulary
                    for j in range(columns):
                        gates[m * columns + j] = table[row, j]
                else:
                    for j in range(columns):
                        gates[m * columns + j] = biases[layer, j]
            matmul(own, first, width, running, matrices, matrix, inputs, columns, gates, columns)
            matrix += inputs * columns
            for m in range(running):
                at, cell_at = m * width + layer * hidden, m * cell_width + layer * hidden
                _activate(p.cell, gates, m * columns, hidden, p.gate, own, at, own_cells, cell_at)
        if len(forced):
            continue
        for m in range(running):
            for j in range(outputs):
                sums[m * outputs + j] = head[j]
        top = (p.layers - 1) * hidden
        matmul(own, top, width, running, matrices, p.head_at, hidden, outputs, sums, outputs)
        for m in range(running):
            lane = lanes[m]
            for v in range(vocabulary):
                logits[v] = sums[m * outputs + v]
            u = uniform(seed, index[lane], position[lane], _TOKEN)
            symbol, log_prob, log_prob_drawn = draw(scratch, controls, lane, u, want_log_probs)
            if symbol < 0:
                possible = False
                symbol = 0
            symbols[lane, t] = symbol
            if want_log_probs:
                log_probs[0, lane, t] = log_prob
                log_probs[1, lane, t] = log_prob_drawn
            seen[lane, symbol] = True
            previous[lane] = symbol
            position[lane] += np.uint64(1)
    for m in range(many):
        for j in range(width):
            states[lanes[m], j] = own[m * width + j]
        for j in range(cell_width):
            cells[lanes[m], j] = own_cells[m * cell_width + j]
    return possible
