"""The elementwise parts of a WaveNet's layers, for many steps at once, and their gradients, for training on the CPU.

bfloat16 numbers are given as uint16; everything is computed in float32 and rounded once. All arrays are contiguous,
because only then LLVM vectorises the loops.
Legend: B batch, T time, L layers, R residual and G gate channels, F frames, n steps of a block that begins at step `at`
of row b.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.kernels.bfloat16 import narrow, wide
from seqgen.kernels.compile import inline, kernel

_f = np.float32
_ZERO, _HALF, _ONE = _f(0.0), _f(0.5), _f(1.0)
_FAR = _f(4.97)
# tanh x = x P(x²) / Q(x²), a Padé approximant, highest power last
_P0, _P1, _P2, _Q1, _Q2, _Q3 = _f(135135), _f(17325), _f(378), _f(62370), _f(3150), _f(28)


@inline
def _tanh(x):
    """Return numerator and denominator of tanh x, accurate to 1e-4, which is finer than the rounding to bfloat16."""
    x = min(max(x, -_FAR), _FAR)
    y = x * x
    return x * (_P0 + y * (_P1 + y * (_P2 + y))), _P0 + y * (_Q1 + y * (_Q2 + y * _Q3))


@inline
def _open(z, g, filtered, opened, j, half):
    """Store the pair of sums in z, and its gate; σ(x) is (1 + tanh(x / 2)) / 2."""
    z[j], z[half + j] = narrow(filtered), narrow(opened)
    p, q = _tanh(filtered)
    r, s = _tanh(_HALF * opened)
    g[j] = narrow(_HALF * p * (s + r) / (q * s))


@inline
def _gate_row(z, base, g):
    half = len(g)
    for j in range(half):
        _open(z, g, wide(z[j]) + base[j], wide(z[half + j]) + base[half + j], j, half)


@inline
def _gate_row_with_frames(z, base, g, mixed):
    half = len(g)
    for j in range(half):
        filtered = wide(z[j]) + (base[j] + mixed[j])
        _open(z, g, filtered, wide(z[half + j]) + (base[half + j] + mixed[half + j]), j, half)


@inline
def _mix(first, second, w, v, out):
    for j in range(len(out)):
        out[j] = w * first[j] + v * second[j]


@inline
def _copy(row, out):
    for j in range(len(out)):
        out[j] = row[j]


@kernel
def gates(z, layer, b, at, count, base, frames, mixing, g, dense):
    """Compute g = tanh(z₁) σ(z₂) after adding biases and the frames' part to z.

    Args:
        z: (L, B, T, G) uint16, of which a block is read and overwritten. base: (B, L, G) float32.
        frames: (B, F + 1, L G) float32, or without frames. mixing: (2, hop) float32.
        g: (B, T, L G / 2) uint16 to fill. dense: (n, G / 2) uint16, to fill with the same.
    """
    hop, width = mixing.shape[1], z.shape[3]
    begin, half = layer * width, width // 2
    mixed = np.empty(width, np.float32)
    for t in range(count):
        row, gate = z[layer, b, at + t], g[b, at + t, layer * half : (layer + 1) * half]
        if frames.shape[1]:
            i, r = divmod(at + t, hop)
            first, second = frames[b, i, begin : begin + width], frames[b, i + 1, begin : begin + width]
            _mix(first, second, mixing[0, r], mixing[1, r], mixed)
            _gate_row_with_frames(row, base[b, layer], gate, mixed)
        else:
            _gate_row(row, base[b, layer], gate)
        _copy(gate, dense[t])


@kernel
def follow(h, b, at, count, product, bias, out, out_at):
    """Compute h + product + bias, the next layer's inputs.

    Args:
        h: (B, ..., R) uint16, from row `at` on. product: (n, R) uint16. bias: (R,) float32.
        out: (B, ..., R) uint16, filled from row `out_at` on.
    """
    for t in range(count):
        for j in range(len(bias)):
            out[b, out_at + t, j] = narrow(wide(h[b, at + t, j]) + (wide(product[t, j]) + bias[j]))


@inline
def _gate_row_gradient(z, upstream, product, used, out, whole, total):
    half = len(upstream)
    for j in range(half):
        p, q = _tanh(wide(z[j]))
        r, s = _tanh(_HALF * wide(z[half + j]))
        up = wide(upstream[j]) + used * wide(product[j])
        both = _ONE / (q * s)
        filtered, opened = p * s * both, _HALF + _HALF * r * q * both
        a, b = up * opened * (_ONE - filtered * filtered), up * filtered * opened * (_ONE - opened)
        whole[j], whole[half + j] = a, b
        out[j], out[half + j] = narrow(a), narrow(b)
    for j in range(len(whole)):
        total[j] += whole[j]


@inline
def _add_scaled(total, factor, row):
    for j in range(len(row)):
        total[j] += factor * row[j]


@inline
def _dot(a, b, lanes):
    """Return Σ a b, with as many running sums as a vector has lanes."""
    lanes[:] = _ZERO
    whole = len(a) // 16 * 16
    for begin in range(0, whole, 16):
        for j in range(16):
            lanes[j] += a[begin + j] * b[begin + j]
    for j in range(whole, len(a)):
        lanes[j - whole] += a[j] * b[j]
    total = _ZERO
    for j in range(16):
        total += lanes[j]
    return total


@kernel
def gate_gradients(
    z,
    layer,
    b,
    at,
    count,
    upstream,
    product,
    used,
    out,
    total,
    frames,
    mixing,
    frames_out,
    mixing_out,
    learned,
):
    """Compute the gradient of a block with respect to z, and add it to the gradients of biases, frames and mixing.

    Args:
        z, frames, mixing: as after `gates`. upstream: (B, T, L G / 2) uint16.
        product: (n, G / 2) uint16, added to upstream if `used`: the gradient from later layers. out: (n, G) uint16 to
            fill.
        total: (B, L, G), frames_out: as frames, mixing_out: (B, 2, hop): float32 to which gradients are added.
        learned: whether the mixing is learned; if not, only the first frame of each pair contributes.
    """
    hop, width = mixing.shape[1], z.shape[3]
    begin, end, half = layer * width, (layer + 1) * width, width // 2
    factor = _ONE if used else _ZERO
    whole, lanes = np.empty(width, np.float32), np.empty(16, np.float32)
    for t in range(count):
        up = upstream[b, at + t, layer * half : (layer + 1) * half]
        _gate_row_gradient(z[layer, b, at + t], up, product[t], factor, out[t], whole, total[b, layer])
        if frames.shape[1]:
            i, r = divmod(at + t, hop)
            _add_scaled(frames_out[b, i, begin:end], mixing[0, r], whole)
            if learned:
                _add_scaled(frames_out[b, i + 1, begin:end], mixing[1, r], whole)
                mixing_out[b, 0, r] += _dot(whole, frames[b, i, begin:end], lanes)
                mixing_out[b, 1, r] += _dot(whole, frames[b, i + 1, begin:end], lanes)


@kernel
def spread(parts, grown, b, at, count, delays, total):
    """Add the gradients of a block's taps to the gradients of the inputs that they read; add the prior ones to `total`.

    Args:
        parts: (n, k R) uint16. grown: (B, T, R) uint16. delays: (k,) int64, of the taps. total: (R,) float32.
    """
    width = grown.shape[2]
    for t in range(count):
        row = grown[b, at + t]
        for j in range(width):
            total[j] += wide(row[j])
    for tap in range(len(delays)):
        for t in range(max(0, delays[tap] - at), count):
            row, part = grown[b, at + t - delays[tap]], parts[t, tap * width : (tap + 1) * width]
            for j in range(width):
                row[j] = narrow(wide(row[j]) + wide(part[j]))
