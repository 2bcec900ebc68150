"""The small steps of the PixelCNN++ kernels: products, activations and copies within one-dimensional arrays.

Arrays are float32 to draw samples and float64 to score them; in float64, products and exponentials are plain loops and
those of the C library.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from seqgen.kernels import activations, loops
from seqgen.kernels.compile import inline
from seqgen.kernels.noinline import noinline
from seqgen.kernels.padding import PANEL, padded
from seqgen.kernels.vector import matmul

pad = inline(padded)
_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
AT_START = np.int64(0)  # a literal 0 has a type of its own, for which helpers would be compiled again


@inline
def product(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_at, y_stride):
    """Call `matmul` with rows of y that begin at y_at; compiled once for all callers."""
    noinline()
    _matmul(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y[y_at:], y_stride)


def _matmul(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride):
    """Call `vector.matmul`, or compute the same in float64."""
    raise NotImplementedError("for compiled code")


@overload(_matmul)
def _matmul_of(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride):
    if x.dtype == types.float32:

        def single(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride):
            matmul(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride)

        return single

    def double(x, x_at, x_stride, lanes, w, w_at, inputs, outputs, y, y_stride):
        for m in range(lanes):
            for begin in range(0, outputs, PANEL):
                to, panel = m * y_stride + begin, w_at + begin * inputs
                for k in range(inputs):
                    value, row = x[x_at + m * x_stride + k], panel + k * PANEL
                    for j in range(PANEL):
                        y[to + j] += value * w[row + j]

    return double


def _exp(x):
    """Call `activations.exp`, or compute the same in float64."""
    raise NotImplementedError("for compiled code")


@overload(_exp)
def _exp_of(x):
    if x == types.float32:
        return lambda x: activations.exp(x)
    return lambda x: math.exp(x)


def _sigmoid(x):
    """Call `activations.sigmoid`, or compute the same in float64."""
    raise NotImplementedError("for compiled code")


@overload(_sigmoid)
def _sigmoid_of(x):
    if x == types.float32:
        return lambda x: activations.sigmoid(x)
    return lambda x: 1.0 / (1.0 + math.exp(-x))


@inline
def elu(x, at, out, to, count):
    """Write elu(x) of `count` values."""
    for j in range(count):
        value = x[np.uintp(at + j)]
        out[np.uintp(to + j)] = value if value > _ZERO else _exp(value) - _ONE


@inline
def concat_elu(x, at, out, to, count):
    """Write elu(x), followed by elu(-x), of `count` values."""
    for j in range(count):
        value = x[np.uintp(at + j)]
        bent = _exp(-abs(value)) - _ONE
        out[np.uintp(to + j)] = value if value > _ZERO else bent
        out[np.uintp(to + count + j)] = bent if value > _ZERO else -value


@inline
def concat_elu_row(x, at, stride, out, to, rows, count):
    for m in range(rows):
        concat_elu(x, at + m * stride, out, to + 2 * count * m, count)


@inline
def gate(sums, at, x, x_at, out, to, count):
    """Write x + value · sigmoid(gate), where sums holds `count` values, followed by their gates."""
    for j in range(count):
        value, opened = sums[np.uintp(at + j)], _sigmoid(sums[np.uintp(at + count + j)])
        out[np.uintp(to + j)] = x[np.uintp(x_at + j)] + value * opened


@inline
def quarter(row, place, width):
    """Return the position, among the four results of an up-sampling, of the one for this row and place."""
    return (place >> 1) * 4 * width + ((row & 1) * 2 + (place & 1)) * width


@inline
def fill(out, to, rows, count, biases, at):
    for m in range(rows):
        loops.copy(biases, at, out, to + m * count, count)


@inline
def fill_conditioned(out, to, rows, count, biases, at, condition, condition_at, conditioned):
    """Fill as `fill` does, with the first `conditioned` values shifted by the condition."""
    fill(out, to, rows, count, biases, at)
    for m in range(rows):
        loops.add(condition, condition_at, out, to + m * count, conditioned)


@inline
def copy(x, at, stride, out, to, out_stride, rows, count):
    for m in range(rows):
        loops.copy(x, at + m * stride, out, to + m * out_stride, count)
