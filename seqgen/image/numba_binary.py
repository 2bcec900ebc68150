"""A pixel of two levels: the same symbol as `draw`, by one comparison with a threshold that is made beforehand.

With the logits (0, a) level 1 is drawn where a is at least log((1 - u) / u). These thresholds are computed for a
whole row at once, off the dependent chain and in float32; where a lies within the error of one, `draw` decides.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.random import to_uniform
from seqgen.kernels.words import fill_words
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)
_f = np.float32
MARGIN = _f(1e-4)
"""More than the thresholds can be wrong by: they are at most 23, and good to some units in the last place."""
UNDECIDED = -2
_ONE, _TWO, _ROOT = _f(1.0), _f(2.0), _f(1.4142135)
_C3, _C5, _C7, _C9 = (_f(2 / k) for k in (3, 5, 7, 9))
_LN2 = _f(0.6931471805599453)
_BIAS, _MANTISSA, _FRACTION, _ONE_BITS = (
    np.int32(127),
    np.int32(23),
    np.int32(0x007FFFFF),
    np.int32(0x3F800000),
)


@inline
def fill_thresholds(seed, index, first, scratch, words, out):
    """Put log((1 - u) / u) of the uniforms of positions `first` and on into `out` (N,) float32.

    Args:
        scratch: from `words.planes`. words: (4N + 8,) uint32 scratch.
    """
    count = len(out)
    fill_words(seed, index, 4 * first, 4 * count, _TOKEN, scratch, words)
    for j in range(count):
        u = to_uniform(words[4 * j])
        out[j] = _f((1.0 - u) / u)
    bits = out.view(np.int32)
    for j in range(count):
        exponent = (bits[j] >> _MANTISSA) - _BIAS
        mantissa = np.int32((bits[j] & _FRACTION) | _ONE_BITS).view(np.float32)
        large = mantissa > _ROOT
        m = mantissa / _TWO if large else mantissa
        e = _f(exponent) + (_ONE if large else _f(0.0))
        s = (m - _ONE) / (m + _ONE)
        q = s * s
        out[j] = e * _LN2 + s * (_TWO + q * (_C3 + q * (_C5 + q * (_C7 + q * _C9))))


@inline
def decide(logit, threshold):
    """The level that is drawn with this logit of level 1, or UNDECIDED where float32 cannot tell."""
    above = logit - threshold
    if above > MARGIN:
        return 1
    if above < -MARGIN:
        return 0
    return UNDECIDED
