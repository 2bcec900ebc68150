"""The mass that a logistic distribution gives an interval, compiled and in float64; `seqgen.logistic` specifies it."""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

from seqgen.kernels.compile import inline


@inline
def log_mass(centred, half, precision, first, last):
    """Log of the mass of the interval `half` to both sides of a point `centred` above the mean.

    Args:
        precision: 1 / scale. first, last: whether the interval takes the lower, the upper tail as well.
    """
    total = 0.0
    if not last:
        total += _log_sigmoid((centred + half) * precision)
    if not first:
        total += _log_sigmoid((half - centred) * precision)
    if not first and not last:
        total += math.log(-math.expm1(-2.0 * half * precision))
    return total


@inline
def _log_sigmoid(z):
    return min(z, 0.0) - math.log1p(math.exp(-abs(z)))
