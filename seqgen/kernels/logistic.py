"""The mass of a logistic distribution on an interval, compiled, in float64; `seqgen.logistic` is the specification."""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

from seqgen.kernels.compile import inline


@inline
def log_mass(centred, half, precision, first, last):
    """Return the log of the mass on [centred - half, centred + half], relative to the mean.

    Args:
        precision: 1 / scale. first, last: whether the interval includes the lower, the upper tail.
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
