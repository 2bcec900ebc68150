"""Random numbers: Philox4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", SC 2011). A draw is a pure function of (seed, sample index, position, purpose).

Key = (seed mod 2^32, seed div 2^32). Counter = (t mod 2^32, i mod 2^32, i div 2^32, purpose 2^24 + t div 2^32) with the
sample index i and the position t in the sample. Every counter yields four 32-bit words.

This module is the numpy version. `seqgen.kernels.random` is the compiled version and returns bit-identical words,
uniforms and normals: both use only operations that are correctly rounded in IEEE 754.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from seqgen.errors import integer


class Purpose(IntEnum):
    """The purpose of a draw; draws for different purposes are independent. Values are stored: never renumber."""

    TOKEN = 0
    STATE = 1
    EMISSION = 2
    COMPONENT = 3
    LATENT = 4
    NOISE = 5
    SHUFFLE = 6
    POSTERIOR = 7
    SPLIT = 8


_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Compute Philox4x32-10 of raw counters.

    Args:
        counter: (..., 4) unsigned 32-bit words, any integer dtype.
        key: two 32-bit words.

    Returns:
        (..., 4) uint32 words.

    Example:
        >>> [f"{w:08x}" for w in philox(np.zeros(4, np.uint32), (0, 0))]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = (counter[..., k].astype(np.uint64) for k in range(4))
    k0, k1 = key
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            p1 & _MASK,
            (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            p0 & _MASK,
        )
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], -1).astype(np.uint32)


def words(seed: int, index: np.ndarray | int, position: np.ndarray | int, purpose: int) -> np.ndarray:
    """Return the four words of each (index, position); the two broadcast against each other.

    Args:
        seed: 0 to 2^64 - 1.
        index: sample indices, 0 to 2^64 - 1.
        position: positions in the sample, 0 to 2^56 - 1.
        purpose: a `Purpose`, 0 to 255.

    Returns:
        (..., 4) uint32.
    """
    seed = integer("seed", seed, low=0, high=2**64 - 1)
    purpose = integer("purpose", purpose, low=0, high=255)
    i, t = np.broadcast_arrays(np.asarray(index, np.uint64), np.asarray(position, np.uint64))
    top = np.uint64(purpose << 24) + (t >> _SHIFT)
    counter = np.stack([t & _MASK, i & _MASK, i >> _SHIFT, top], -1)
    return philox(counter, (seed & 0xFFFFFFFF, seed >> 32))


def to_uniform(word: np.ndarray) -> np.ndarray:
    """Map 32-bit words to (word + 1/2) / 2^32: float64 in the open interval (0, 1), keeping all 32 bits."""
    return (np.asarray(word).astype(np.float64) + 0.5) * 2.0**-32


def to_uniform53(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return uniforms in (0, 1) with 52 bits from two words; the first 32 bits are those of `high`."""
    bits = (np.asarray(high).astype(np.uint64) << np.uint64(20)) | (
        np.asarray(low).astype(np.uint64) >> np.uint64(12)
    )
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


def uniforms(seed: int, index: np.ndarray | int, position: np.ndarray | int, purpose: int) -> np.ndarray:
    """Return one uniform in (0, 1) for each (index, position), from the first of its four words."""
    return to_uniform(words(seed, index, position, purpose)[..., 0])


def normals(
    seed: int, index: np.ndarray | int, position: np.ndarray | int, purpose: int, dimensions: int = 1
) -> np.ndarray:
    """Return standard normals for each (index, position), as (..., dimensions) float64.

    The method is inversion: the normal quantile function of one 32-bit uniform each (`to_normal`). The D normals of
    position t are numbers tD .. tD + D - 1 of the sample's sequence `numbered_words`.
    """
    dimensions = integer("dimensions", dimensions, low=1)
    i, t = np.broadcast_arrays(np.asarray(index, np.uint64), np.asarray(position, np.uint64))
    number = t[..., None] * np.uint64(dimensions) + np.arange(dimensions, dtype=np.uint64)
    return to_normal(to_uniform(numbered_words(seed, i[..., None], number, purpose)))


def numbered_words(seed: int, index: np.ndarray | int, number: np.ndarray | int, purpose: int) -> np.ndarray:
    """Return words of a sample's sequence by number: word n is word n % 4 of the block at position n // 4.

    Args:
        number: 0 to 2^58 - 1, broadcast against `index`.

    Returns:
        uint32 of the common shape.
    """
    i, n = np.broadcast_arrays(np.asarray(index, np.uint64), np.asarray(number, np.uint64))
    drawn = words(seed, i, n // np.uint64(4), purpose)
    return np.take_along_axis(drawn, (n % np.uint64(4)).astype(np.int64)[..., None], -1)[..., 0]


def categorical(probabilities: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Draw by inverse CDF: the first j whose cumulative sum exceeds uniform times the total.

    Args:
        probabilities: (..., V) non-negative weights, any positive total.
        uniform: (...) in (0, 1).

    Returns:
        (...) int64. A symbol whose weight is zero is never drawn.
    """
    cumulative = np.cumsum(np.asarray(probabilities, np.float64), axis=-1)
    total = cumulative[..., -1]
    # if the total is subnormal, the product may round up to the total itself, which no cumulative sum exceeds
    threshold = np.minimum(np.asarray(uniform) * total, np.nextafter(total, 0.0))
    return np.sum(cumulative <= threshold[..., None], axis=-1)


# ---- the normal quantile function ---------------------------------------------------------------------
# Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37 (1988),
# PPND16, relative error 1e-16. Coefficients from the highest power down.

CENTRE_TOP = (
    2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
)  # fmt: skip
CENTRE_BOTTOM = (
    5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
    5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
)  # fmt: skip
NEAR_TOP = (
    7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
    3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
)  # fmt: skip
NEAR_BOTTOM = (
    1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
    6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
)  # fmt: skip
FAR_TOP = (
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
    2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
)  # fmt: skip
FAR_BOTTOM = (
    2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
    1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
)  # fmt: skip
# ln 2 in two parts, so that exponent times the first is exact (as in fdlibm's log)
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# atanh series 2(s + s^3/3 + …): after |s| <= 0.1716 eleven terms leave 1e-18
LOG_TERMS = tuple(2.0 / (2 * k + 1) for k in range(11, -1, -1))


def to_normal(uniform: np.ndarray) -> np.ndarray:
    """Return the standard normal quantile function of uniforms in (0, 1), float64."""
    u = np.asarray(uniform, np.float64)
    q = u - 0.5
    r = 0.180625 - q * q
    centre = q * _polynomial(CENTRE_TOP, r) / _polynomial(CENTRE_BOTTOM, r)
    tail = np.abs(q) > 0.425
    if not np.any(tail):
        return centre
    r = np.sqrt(-_log(np.where(tail, np.minimum(u, 1.0 - u), 0.5)))
    near = _polynomial(NEAR_TOP, r - 1.6) / _polynomial(NEAR_BOTTOM, r - 1.6)
    far = _polynomial(FAR_TOP, r - 5.0) / _polynomial(FAR_BOTTOM, r - 5.0)
    outer = np.where(r <= 5.0, near, far)
    return np.where(tail, np.where(q < 0.0, -outer, outer), centre)


def to_logistic(uniform: np.ndarray) -> np.ndarray:
    """Return the standard logistic quantile function of uniforms in (0, 1), float64."""
    u = np.asarray(uniform, np.float64)
    return _log(u) - _log(1.0 - u)


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


def _log(x: np.ndarray) -> np.ndarray:
    """Return the natural logarithm by basic arithmetic, because numpy's differs from libm's in the last bit."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < 0.7071067811865476
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    exponent = np.where(small, exponent - 1, exponent).astype(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = s * _polynomial(LOG_TERMS, s * s)
    return exponent * LN2_HIGH + (exponent * LN2_LOW + series)
