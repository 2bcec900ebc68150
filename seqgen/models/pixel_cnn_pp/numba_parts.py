"""The small steps of the PixelCNN++ kernels: products, activations and copies within one-dimensional arrays."""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.kernels import activations
from seqgen.kernels.compile import inline
from seqgen.kernels.noinline import noinline
from seqgen.kernels.padding import padded
from seqgen.kernels.vector import matmul

pad = inline(padded)
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
AT_START = np.int64(0)  # a literal 0 has a type of its own, for which helpers would be compiled again


@inline
def product(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_at, y_stride):
    """Call `matmul` with rows of y that begin at y_at; compiled once for all callers."""
    noinline()
    matmul(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y[y_at:], y_stride)


@inline
def elu(x, at, out, to, count):
    """Write elu(x) of `count` values."""
    for j in range(count):
        value = x[at + j]
        out[to + j] = value if value > _ZERO else activations.exp(value) - _ONE


@inline
def concat_elu(x, at, out, to, count):
    """Write elu(x), followed by elu(-x), of `count` values."""
    for j in range(count):
        value = x[at + j]
        bent = activations.exp(-abs(value)) - _ONE
        out[to + j] = value if value > _ZERO else bent
        out[to + count + j] = bent if value > _ZERO else -value


@inline
def concat_elu_row(x, at, stride, out, to, rows, count):
    for m in range(rows):
        concat_elu(x, at + m * stride, out, to + 2 * count * m, count)


@inline
def gate(sums, at, x, x_at, out, to, count):
    """Write x + value · sigmoid(gate), where sums holds `count` values, followed by their gates."""
    for j in range(count):
        out[to + j] = x[x_at + j] + sums[at + j] * activations.sigmoid(sums[at + count + j])


@inline
def quarter(row, place, width):
    """Return the position, among the four results of an up-sampling, of the one for this row and place."""
    return (place >> 1) * 4 * width + ((row & 1) * 2 + (place & 1)) * width


@inline
def fill(out, to, rows, count, biases, at):
    for m in range(rows):
        for j in range(count):
            out[to + m * count + j] = biases[at + j]


@inline
def fill_conditioned(out, to, rows, count, biases, at, condition, condition_at, conditioned):
    """Fill as `fill` does, with the first `conditioned` values shifted by the condition."""
    fill(out, to, rows, count, biases, at)
    for m in range(rows):
        for j in range(conditioned):
            out[to + m * count + j] += condition[condition_at + j]


@inline
def copy(x, at, stride, out, to, out_stride, rows, count):
    for m in range(rows):
        for j in range(count):
            out[to + m * out_stride + j] = x[at + m * stride + j]
