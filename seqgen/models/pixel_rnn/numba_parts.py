"""Parts of `draw_rows`: copies, the LSTM's gates, and the left-going LSTM along a row.

Arrays are sliced before a loop runs over them. For an offset plus a counter, Numba has to test for a negative index,
which counts from the end, and the loop is then not vectorised (the gates are nine times slower).
Legend: M lanes of a thread, C colours, W columns; `s` is the `Sizes`, `p` the `Packed` weights.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.kernels import activations
from seqgen.kernels.compile import inline
from seqgen.kernels.vector import matmul

_ZERO = np.float32(0.0)


@inline
def copy_window(s, p, image, lane, now, pixels, begin, line):
    """Copy the rows of an image that the first convolution reads at row `now`, scaled; row `now` is still empty."""
    for k in range(s.first_side + 1):
        above = now - s.first_side + k
        at = begin + k * line + s.first_side * s.colours
        for w in range(s.columns):
            for c in range(s.colours):
                inside = k < s.first_side and above >= 0
                pixels[at + w * s.colours + c] = p.scale[image[lane, c, above, w]] if inside else _ZERO


@inline
def copy(target, at, source, begin, count):
    to, of = target[at : at + count], source[begin : begin + count]
    for j in range(count):
        to[j] = of[j]


@inline
def add(target, at, source, begin, count):
    to, of = target[at : at + count], source[begin : begin + count]
    for j in range(count):
        to[j] += of[j]


@inline
def copy_positive(target, at, source, begin, count):
    to, of = target[at : at + count], source[begin : begin + count]
    for j in range(count):
        to[j] = max(of[j], _ZERO)


@inline
def tile(target, values, times):
    """Fill `target` with `times` copies of `values`."""
    for k in range(times):
        copy(target, k * len(values), values, 0, len(values))


@inline
def lstm(gates, gate_at, width, units, cells, cell_at, states, state_at):
    """Compute new cells and states of some units from the sums of their gates o, f, i, g."""
    opened, kept = gates[gate_at : gate_at + units], gates[gate_at + width : gate_at + width + units]
    taken = gates[gate_at + 2 * width : gate_at + 2 * width + units]
    new = gates[gate_at + 3 * width : gate_at + 3 * width + units]
    own, out = cells[cell_at : cell_at + units], states[state_at : state_at + units]
    for j in range(units):
        old = activations.sigmoid(kept[j]) * own[j]
        own[j] = old + activations.sigmoid(taken[j]) * activations.tanh(new[j])
    for j in range(units):
        out[j] = activations.sigmoid(opened[j]) * activations.tanh(own[j])


@inline
def to_the_left(
    s, p, layer, lanes, running, many, place, inputs, base, gates, states, cells, left, size_left
):  # fmt: skip
    """Run the left-going LSTM of one layer along a complete row; its states replace those of the row above."""
    all_gates, group = s.colours * s.gates, s.units // s.colours
    for m in range(running):
        sums = base[layer * many + m]
        tile(sums, p.left[layer].reshape(-1), s.columns)
        matmul(
            inputs, (layer * many + m) * place + s.units, s.stride, s.columns, p.matrices, p.left_at[layer, 0],
            2 * s.units + s.colours, all_gates, sums, all_gates,
        )  # fmt: skip
        matmul(
            left, (lanes[m] * s.layers + layer) * size_left, s.units, s.columns, p.matrices, p.left_at[layer, 1],
            s.units, all_gates, sums, all_gates,
        )  # fmt: skip
    for j in range(running * s.units):
        cells[j] = _ZERO
    for column in range(s.columns - 1, -1, -1):
        for m in range(running):
            copy(gates, m * all_gates, base[layer * many + m], column * all_gates, all_gates)
        if column + 1 < s.columns:
            matmul(
                states,
                0,
                s.units,
                running,
                p.matrices,
                p.left_at[layer, 2],
                s.units,
                all_gates,
                gates,
                all_gates,
            )
        for m in range(running):
            for colour in range(s.colours):
                at = m * s.units + colour * group
                lstm(gates, m * all_gates + colour * s.gates, s.units_padded, group, cells, at, states, at)
            kept = (lanes[m] * s.layers + layer) * size_left + column * s.units
            copy(left, kept, states, m * s.units, s.units)
