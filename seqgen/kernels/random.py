"""Philox4x32-10 and the draws from it, compiled; bit-identical to `seqgen.rng`, which documents the conventions."""

from __future__ import annotations

import math

import numpy as np

from seqgen import rng
from seqgen.kernels.compile import inline, kernel

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_S32, _S24, _S20, _S12 = np.uint64(32), np.uint64(24), np.uint64(20), np.uint64(12)
_HALF = 0.5
_SCALE32, _SCALE52 = 2.0**-32, 2.0**-52


@inline
def philox4(seed, index, position, purpose):
    """Return the four words of (index, position), each in the low half of a uint64."""
    k0, k1 = seed & _MASK, seed >> _S32
    c0, c1 = position & _MASK, index & _MASK
    c2, c3 = index >> _S32, (np.uint64(purpose) << _S24) + (position >> _S32)
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _S32) ^ c1 ^ k0, p1 & _MASK, (p0 >> _S32) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


@inline
def to_uniform(word):
    """Return (word + 1/2) / 2^32 in float64."""
    return (np.float64(word) + _HALF) * _SCALE32


@inline
def to_uniform53(high, low):
    """Return a uniform of 52 bits from two words."""
    return (np.float64((high << _S20) | (low >> _S12)) + _HALF) * _SCALE52


@inline
def uniform(seed, index, position, purpose):
    """Return one uniform in (0, 1), from the first word of the block."""
    return to_uniform(philox4(seed, index, position, purpose)[0])


def _horner(coefficients):
    """Return a compiled function that evaluates the polynomial with these coefficients, highest power first."""

    @inline
    def evaluate(x):
        value = coefficients[0]
        for k in range(1, len(coefficients)):
            value = value * x + coefficients[k]
        return value

    return evaluate


_centre_top, _centre_bottom = _horner(rng.CENTRE_TOP), _horner(rng.CENTRE_BOTTOM)
_near_top, _near_bottom = _horner(rng.NEAR_TOP), _horner(rng.NEAR_BOTTOM)
_far_top, _far_bottom = _horner(rng.FAR_TOP), _horner(rng.FAR_BOTTOM)
_log_terms = _horner(rng.LOG_TERMS)
_LN2_HIGH, _LN2_LOW = rng.LN2_HIGH, rng.LN2_LOW


@inline
def log(x):
    """Return the natural logarithm, computed by basic arithmetic only, as in `seqgen.rng`."""
    mantissa, exponent = math.frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa *= 2.0
        exponent -= 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = s * _log_terms(s * s)
    e = np.float64(exponent)
    return e * _LN2_HIGH + (e * _LN2_LOW + series)


@inline
def to_logistic(u):
    """The standard logistic quantile function."""
    return log(u) - log(1.0 - u)


@inline
def to_normal(u):
    """The standard normal quantile function (AS 241)."""
    q = u - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * _centre_top(r) / _centre_bottom(r)
    r = math.sqrt(-log(min(u, 1.0 - u)))
    if r <= 5.0:
        r -= 1.6
        value = _near_top(r) / _near_bottom(r)
    else:
        r -= 5.0
        value = _far_top(r) / _far_bottom(r)
    return -value if q < 0.0 else value


@kernel
def fill_uniforms(seed, index, position, purpose, out):
    """Fill `out` with the uniforms of consecutive blocks, four to a block, from `position` on."""
    whole = len(out) // 4
    for b in range(whole):
        w0, w1, w2, w3 = philox4(seed, index, position + np.uint64(b), purpose)
        out[4 * b] = to_uniform(w0)
        out[4 * b + 1] = to_uniform(w1)
        out[4 * b + 2] = to_uniform(w2)
        out[4 * b + 3] = to_uniform(w3)
    if len(out) % 4:
        rest = philox4(seed, index, position + np.uint64(whole), purpose)
        for k in range(len(out) % 4):
            out[4 * whole + k] = to_uniform(rest[k])
