"""Branch-free exp, sigmoid and tanh in float32, which LLVM vectorises, unlike calls of libm."""

from __future__ import annotations

import numpy as np

from seqgen.kernels.compile import inline

_f = np.float32
_LOG2E = _f(1.4426950408889634)
# ln 2 in two parts; the first has few enough bits that its product with an exponent is exact
_LN2_HIGH, _LN2_LOW = _f(0.693359375), _f(-2.12194440e-4)
_LOW, _HIGH = _f(-87.0), _f(88.0)
_HALF, _ONE, _TWO = _f(0.5), _f(1.0), _f(2.0)
_C3, _C4, _C5, _C6, _C7 = (_f(1 / d) for d in (6, 24, 120, 720, 5040))
_BIAS, _MANTISSA = np.int32(127), np.int32(23)


@inline
def exp(x):
    """Return e^x for float32, relative error below 3e-7; x is clamped to [-87, 88]."""
    x = min(max(x, _LOW), _HIGH)
    n = np.floor(x * _LOG2E + _HALF)
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    series = _ONE + r * (_ONE + r * (_HALF + r * (_C3 + r * (_C4 + r * (_C5 + r * (_C6 + r * _C7))))))
    scale = np.int32((np.int32(n) + _BIAS) << _MANTISSA).view(np.float32)
    return series * scale


@inline
def sigmoid(x):
    """Return 1 / (1 + e^-x), absolute error below 2e-7."""
    return _ONE / (_ONE + exp(-x))


@inline
def tanh(x):
    """Return tanh x, absolute error below 3e-7."""
    return _ONE - _TWO / (exp(_TWO * x) + _ONE)
