"""Log-probabilities of symbols from logits in bfloat16, and their gradient, in one pass each, for training.

bfloat16 numbers are given as uint16; sums are in float32.
Legend: N rows, V symbols.
"""

from __future__ import annotations

import numpy as np

from seqgen.kernels import activations
from seqgen.kernels.bfloat16 import narrow, wide
from seqgen.kernels.compile import inline, kernel

_ZERO, _LOWEST = np.float32(0.0), np.float32(-3e38)


@inline
def _highest(row, lanes):
    lanes[:] = _LOWEST
    whole = len(row) // 16 * 16
    for begin in range(0, whole, 16):
        for j in range(16):
            lanes[j] = max(lanes[j], wide(row[begin + j]))
    for j in range(whole, len(row)):
        lanes[j - whole] = max(lanes[j - whole], wide(row[j]))
    highest = lanes[0]
    for j in range(1, 16):
        highest = max(highest, lanes[j])
    return highest


@inline
def _sum_of_powers(row, shift, lanes):
    lanes[:] = _ZERO
    whole = len(row) // 16 * 16
    for begin in range(0, whole, 16):
        for j in range(16):
            lanes[j] += activations.exp(wide(row[begin + j]) - shift)
    for j in range(whole, len(row)):
        lanes[j - whole] += activations.exp(wide(row[j]) - shift)
    total = _ZERO
    for j in range(16):
        total += lanes[j]
    return total


@kernel
def log_probs(logits, symbols, normalizers, out):
    """Fill `out` (N,) float32 with log-probabilities, and `normalizers` (N,) float32 with log Σ e^logit.

    Args:
        logits: (N, V) uint16. symbols: (N,) int64.
    """
    lanes = np.empty(16, np.float32)
    for n in range(len(logits)):
        row = logits[n]
        highest = _highest(row, lanes)
        normalizers[n] = highest + np.float32(np.log(_sum_of_powers(row, highest, lanes)))
        out[n] = wide(row[symbols[n]]) - normalizers[n]


@inline
def _scaled_probabilities(row, normalizer, scale, out):
    for j in range(len(row)):
        out[j] = narrow(scale * activations.exp(wide(row[j]) - normalizer))


@kernel
def gradients(logits, symbols, normalizers, upstream, out):
    """Fill `out` (N, V) uint16 with the gradient of Σ upstream · log-probability.

    Args:
        upstream: (N,) float32. logits, symbols, normalizers: as after `log_probs`.
    """
    for n in range(len(logits)):
        row, symbol = logits[n], symbols[n]
        _scaled_probabilities(row, normalizers[n], -upstream[n], out[n])
        own = activations.exp(wide(row[symbol]) - normalizers[n])
        out[n, symbol] = narrow(upstream[n] * (np.float32(1.0) - own))
