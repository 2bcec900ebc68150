"""Standard normals from words in bulk: the same bits as `random.to_normal(to_uniform(word))`, in vector loops.

The central part of the quantile function is computed for all words; the tails (15 %) are then gathered and recomputed.
"""

from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.random import (
    _LN2_HIGH,
    _LN2_LOW,
    _centre_bottom,
    _centre_top,
    _log_terms,
    _near_bottom,
    _near_top,
    to_uniform,
)
from seqgen.kernels.words import fill_words, planes

_PART = 1024

_FRACTION, _HALF_BITS = np.int64(0x000FFFFFFFFFFFFF), np.int64(0x3FE0000000000000)


@inline
def fill_normals(words, count, tails, work, out):
    """Write the normal of each of `count` words to `out`.

    Args:
        words: uint32.
        tails: int64 scratch of `count` + 1. work: (2, count) float64 scratch.
    """
    for j in range(count):
        q = to_uniform(words[j]) - 0.5
        r = 0.180625 - q * q
        out[j] = q * _centre_top(r) / _centre_bottom(r)
    found = 0
    for j in range(count):
        tails[found] = j
        found += abs(to_uniform(words[j]) - 0.5) > 0.425
    nearest, exponents = work[0], work[1]
    for k in range(found):
        u = to_uniform(words[tails[k]])
        nearest[k] = min(u, 1.0 - u)
    # frexp by bit operations: no value is close enough to 0 or 1 to be subnormal
    bits = nearest.view(np.int64)
    for k in range(found):
        exponents[k] = np.float64((bits[k] >> np.int64(52)) - 1022)
        bits[k] = (bits[k] & _FRACTION) | _HALF_BITS
    for k in range(found):
        small = nearest[k] < 0.7071067811865476
        mantissa = nearest[k] * 2.0 if small else nearest[k]
        exponent = exponents[k] - 1.0 if small else exponents[k]
        s = (mantissa - 1.0) / (mantissa + 1.0)
        log = exponent * _LN2_HIGH + (exponent * _LN2_LOW + s * _log_terms(s * s))
        # 32-bit words reach sqrt(33 ln 2) = 4.8, so the far tail beyond 5 is never needed
        r = math.sqrt(-log) - 1.6
        nearest[k] = _near_top(r) / _near_bottom(r)
    for k in range(found):
        out[tails[k]] = math.copysign(nearest[k], to_uniform(words[tails[k]]) - 0.5)


@kernel
def normals(seed, index, number, purpose, out):
    """Fill `out` with a sample's normals from `number` on, numbered as in `rng.normals`."""
    words, scratch = np.empty(_PART + 8, np.uint32), planes()
    tails, work = np.empty(_PART + 1, np.int64), np.empty((2, _PART))
    for begin in range(0, len(out), _PART):
        count = min(_PART, len(out) - begin)
        skip = fill_words(seed, index, number + begin, count, purpose, scratch, words)
        fill_normals(words[skip:], count, tails, work, out[begin : begin + count])
