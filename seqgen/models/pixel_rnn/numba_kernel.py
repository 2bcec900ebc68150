"""The kernel of `PixelRNNEngine`: rows of several lanes, pixel by pixel and colour by colour.

Arrays are one-dimensional, as `matmul` requires; `s` is the `Sizes`, `p` the `Packed` weights.
Legend: M lanes of a thread, C colours, W columns, F units, D = 2F features.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.image.numba_lanes import PixelState, RowArrays
from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.draw import draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.random import uniform
from seqgen.kernels.softmax import exp
from seqgen.kernels.vector import matmul
from seqgen.models.pixel_rnn.numba_packing import Packed, Sizes
from seqgen.models.pixel_rnn.numba_parts import (
    add,
    copy,
    copy_positive,
    copy_window,
    lstm,
    tile,
    to_the_left,
)
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)
_ZERO = np.float32(0.0)


class Cache(NamedTuple):
    """The state of the lanes besides the images: of the row above.

    Attributes:
        states: (B, layers, (W + 2 side) F) float32; a row is padded for the kernel at both ends.
        cells: (B, layers, W F) float32 of a Row LSTM; (B, layers, F) of a Diagonal BiLSTM, whose right-going cells
            depend
            only on the cell to the left, so that one is enough.
        left: (B, layers, W F) float32, states of the left-going LSTM; (B, layers, 0) if there is none.
    """

    states: np.ndarray
    cells: np.ndarray
    left: np.ndarray


@kernel
def draw_rows(model, lanes, counts, seed, pixels, cache, controls, out):
    """Draw counts[m] rows of lane lanes[m], from row[lane] on; counts are in descending order.

    Args:
        model: `Sizes` and `Packed`.
        pixels, cache, controls: `PixelState`, `Cache` and `LaneControlArrays`.
        out: `RowArrays`; where nothing could be drawn, `made` is lowered to the number of complete rows. All are plain
            tuples.
    """
    s, p = Sizes(*model[0]), Packed(*model[1])
    pixels, cache = PixelState(*pixels), Cache(*cache)
    controls, out = LaneControlArrays(*controls), RowArrays(*out)
    row, image, known = pixels.row, pixels.image, pixels.known
    states, cells, left = cache.states.reshape(-1), cache.cells.reshape(-1), cache.left.reshape(-1)
    many = len(lanes)
    size_states, size_cells = len(states) // len(row), len(cells) // len(row)
    one_states, one_cells = size_states // s.layers, size_cells // s.layers
    size_left = s.columns * s.units if s.diagonal else 0
    cell_step = 0 if s.diagonal else s.units
    features = 2 * s.units
    group, unit_group, head_group = features // s.colours, s.units // s.colours, s.head // s.colours
    line = (s.columns + 2 * s.first_side) * s.colours
    window = (s.first_side + 1) * line
    place = s.lead + (s.columns + 1) * s.stride
    all_gates, all_features = s.colours * s.gates, s.colours * s.features
    want_log_probs = out.log_probs.shape[2] > 0
    # the rows that the first convolution reads, with zeros around them
    near = np.zeros(many * window, np.float32)
    above = np.empty((many, s.columns * all_features), np.float32)
    # the inputs of every layer along the row, and the contribution of the row above to its gates
    inputs = np.zeros(s.layers * many * place, np.float32)
    base = np.empty((s.layers * many, s.columns * all_gates), np.float32)
    x = np.empty(many * s.features, np.float32)
    gates = np.empty(many * all_gates, np.float32)
    # a layer's states at the current pixel, of all colours so far
    here = np.empty(s.layers * many * s.units, np.float32)
    top = np.empty(many * features, np.float32)
    sums = np.empty(many * s.hidden, np.float32)
    hidden = np.empty(many * s.head, np.float32)
    outputs = np.empty(many * s.logits, np.float32)
    going_cells = np.empty(many * s.units, np.float32)
    scratch = draw_scratch(s.levels)
    running = many
    for t in range(counts[0]):
        while counts[running - 1] <= t:
            running -= 1
        for m in range(running):
            lane = lanes[m]
            copy_window(s, p, image, lane, row[lane] + t, near, m * window, line)
            tile(above[m], p.first.reshape(-1), s.columns)
            for k in range(max(0, s.first_side - row[lane] - t), s.first_side):
                matmul(
                    near, m * window + k * line, s.colours, s.columns, p.matrices, p.above_at[k],
                    (2 * s.first_side + 1) * s.colours, all_features, above[m], all_features,
                )  # fmt: skip
            for layer in range(s.layers):
                tile(base[layer * many + m], p.inputs[layer].reshape(-1), s.columns)
                if row[lane] + t > 0:
                    at = lane * size_states + layer * one_states
                    matmul(
                        states, at, s.units, s.columns, p.matrices, p.states_at[layer],
                        (2 * s.side + 1) * s.units, all_gates, base[layer * many + m], all_gates,
                    )  # fmt: skip
            if s.diagonal:
                for j in range(size_cells):
                    cells[lane * size_cells + j] = _ZERO
        for column in range(s.columns):
            for colour in range(s.colours):
                for m in range(running):
                    at = column * all_features + colour * s.features
                    copy(x, m * s.features, above[m], at, s.features)
                matmul(
                    near, s.first_side * line + column * s.colours, window, running, p.matrices,
                    p.beside_at[colour], s.first_side * s.colours + colour, s.features, x, s.features,
                )  # fmt: skip
                for layer in range(s.layers):
                    begin = layer * many * place + column * s.stride
                    for m in range(running):
                        at = begin + m * place + s.lead + colour * group
                        copy(inputs, at, x, m * s.features, group)
                        at = column * all_gates + colour * s.gates
                        copy(gates, m * s.gates, base[layer * many + m], at, s.gates)
                    matmul(
                        inputs, begin, place, running, p.matrices, p.inputs_at[layer, colour],
                        s.lead + (colour + 1) * group, s.gates, gates, s.gates,
                    )  # fmt: skip
                    for m in range(running):
                        lane = lanes[m]
                        first = colour * unit_group
                        cell_at = lane * size_cells + layer * one_cells + column * cell_step + first
                        at = (layer * many + m) * s.units + first
                        lstm(gates, m * s.gates, s.units_padded, unit_group, cells, cell_at, here, at)
                        kept = lane * size_states + layer * one_states + (column + s.side) * s.units + first
                        copy(states, kept, here, at, unit_group)
                        if s.diagonal:
                            copy(inputs, begin + m * place + s.stride + first, here, at, unit_group)
                            beside = (lane * s.layers + layer) * size_left + column * s.units + first
                            add(here, at, left, beside, unit_group)
                        add(x, m * s.features, p.up[layer, colour], 0, s.features)
                    matmul(
                        here, layer * many * s.units, s.units, running, p.matrices, p.up_at[layer, colour],
                        (colour + 1) * unit_group, s.features, x, s.features,
                    )  # fmt: skip
                wanted = False
                for m in range(running):
                    copy_positive(top, m * features + colour * group, x, m * s.features, group)
                    copy(sums, m * s.hidden, p.hidden[colour], 0, s.hidden)
                    copy(outputs, m * s.logits, p.output[colour], 0, s.logits)
                    wanted |= not known[lanes[m], colour, row[lanes[m]] + t, column]
                # later colours of the pixel read the hidden channels of this one, even if it is known
                if wanted or colour + 1 < s.colours:
                    matmul(
                        top, 0, features, running, p.matrices, p.hidden_at[colour],
                        (colour + 1) * group, s.hidden, sums, s.hidden,
                    )  # fmt: skip
                    for m in range(running):
                        copy_positive(
                            hidden, m * s.head + colour * head_group, sums, m * s.hidden, head_group
                        )
                if wanted:
                    matmul(
                        hidden, 0, s.head, running, p.matrices, p.output_at[colour],
                        (colour + 1) * head_group, s.logits, outputs, s.logits,
                    )  # fmt: skip
                for m in range(running):
                    lane = lanes[m]
                    now = row[lane] + t
                    if not known[lane, colour, now, column]:
                        for j in range(s.levels):
                            scratch.logits[j] = outputs[m * s.logits + j]
                        position = np.uint64((now * s.columns + column) * s.colours + colour)
                        u = uniform(seed, pixels.index[lane], position, _TOKEN)
                        if s.levels == 2 and not controls.reshapes[lane] and not want_log_probs:
                            level = _draw_two(scratch.logits, u)
                        else:
                            level, log_prob, log_prob_drawn = draw(scratch, controls, lane, u, want_log_probs)
                            if want_log_probs:
                                out.log_probs[0, lane, t, colour, column] = log_prob
                                out.log_probs[1, lane, t, colour, column] = log_prob_drawn
                        if level < 0:
                            out.made[lane] = min(out.made[lane], t)
                            level = 0
                        image[lane, colour, now, column] = level
                    value = p.scale[image[lane, colour, now, column]]
                    at = m * window + s.first_side * line + (s.first_side + column) * s.colours + colour
                    near[at] = value
                    if s.diagonal:
                        for layer in range(s.layers):
                            at = (layer * many + m) * place + column * s.stride
                            inputs[at + s.units + features + colour] = value
        if s.diagonal:
            for layer in range(s.layers):
                to_the_left(
                    s, p, layer, lanes, running, many, place, inputs, base, gates, here, going_cells, left, size_left,
                )  # fmt: skip


@inline
def _draw_two(logits, u):
    """Draw one of two levels, as `draw` does without controls."""
    top = max(logits[0], logits[1])
    none, one = exp(logits[0] - top), exp(logits[1] - top)
    return 0 if none > u * (none + one) else 1
