"""Log-densities of observations in every state; each row is summed in a fixed order, independently of other rows.

Legend: T observations, D dimensions, R rows of parameters (states, or states times components), K states.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import kernel

_LOG_2PI = math.log(2.0 * math.pi)


@kernel
def gaussian_log_density(x, means, factors, out):
    """Compute the log-densities of multivariate normals.

    Args:
        x: (T, D). means: (R, D).
        factors: (R, D, 1) standard deviations, or (R, D, D) lower Cholesky factors of the covariances.
        out: (T, R), filled with the log-densities.
    """
    rows, dims = means.shape
    diagonal = factors.shape[2] == 1
    constant = np.full(rows, -0.5 * dims * _LOG_2PI)
    inverse = np.empty((rows, dims))
    for r in range(rows):
        for d in range(dims):
            pivot = factors[r, d, 0 if diagonal else d]
            constant[r] -= math.log(pivot)
            inverse[r, d] = 1.0 / pivot
    z = np.empty(dims)
    for t in range(len(x)):
        for r in range(rows):
            distance = 0.0
            for d in range(dims):
                value = x[t, d] - means[r, d]
                if not diagonal:
                    for e in range(d):
                        value -= factors[r, d, e] * z[e]
                z[d] = value * inverse[r, d]
                distance += z[d] * z[d]
            out[t, r] = constant[r] - 0.5 * distance


@kernel
def mixture_log_density(parts, log_weights, out):
    """Sum over components: parts (T, K M) and log_weights (K, M) into out (T, K)."""
    states, components = log_weights.shape
    for t in range(len(parts)):
        for k in range(states):
            top = -np.inf
            for m in range(components):
                top = max(top, parts[t, k * components + m] + log_weights[k, m])
            total = 0.0
            if top > -np.inf:
                for m in range(components):
                    total += math.exp(parts[t, k * components + m] + log_weights[k, m] - top)
                top += math.log(total)
            out[t, k] = top


@kernel
def poisson_log_density(x, rates, out):
    """Compute the log-probabilities of independent Poisson counts x (T, D) with rates (K, D), into out (T, K)."""
    states, dims = rates.shape
    log_rates = np.log(rates)
    for t in range(len(x)):
        factorials = 0.0
        for d in range(dims):
            factorials += math.lgamma(x[t, d] + 1.0)
        for k in range(states):
            total = -factorials
            for d in range(dims):
                # 0 log 0 is 0: with rate 0, the count 0 has probability 1
                total += (x[t, d] * log_rates[k, d] if x[t, d] > 0 else 0.0) - rates[k, d]
            out[t, k] = total
