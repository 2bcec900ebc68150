"""Draws from a discretized mixture of logistics, compiled; specified by `seqgen.models.pixel_cnn_pp.logistics`.

Without controls, a level is found by bisection of the mixture's distribution function, which takes a few sigmoids
instead of the probabilities of all levels. Everything is in float64.
Legend: C colours, K components, L levels.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.logistic import log_mass

# as in seqgen.models.pixel_cnn_pp.logistics, which imports torch
_LOWEST, _HIGHEST = -7.0, 20.0
_TINY = 1e-250


class Mixture(NamedTuple):
    """The distribution of one colour of a pixel.

    Attributes:
        levels: L.
        log_weights: (K,) float64, normalised, given the previous colours. means, precisions: (K,) float64, of the
            components; a precision is an inverse scale.
    """

    levels: int
    log_weights: np.ndarray
    means: np.ndarray
    precisions: np.ndarray


@inline
def mixture_of(levels, components):
    """Allocate a mixture of `components` components."""
    return Mixture(levels, np.empty(components), np.empty(components), np.empty(components))


@inline
def begin_pixel(mixture, raw, at):
    """Read the components' weights from the parameters of a pixel, which begin at raw[at]."""
    for k in range(len(mixture.log_weights)):
        mixture.log_weights[k] = raw[at + k]
    _normalise(mixture.log_weights)


@inline
def begin_colour(mixture, raw, at, colour, pixel):
    """Read the means and scales of one colour, given the levels of the previous ones in `pixel` (C,)."""
    colours, kinds = len(pixel), len(mixture.log_weights)
    step = 2.0 / (mixture.levels - 1)
    coefficients = 1 + 2 * colours + colour * (colour - 1) // 2
    for k in range(kinds):
        mean = np.float64(raw[at + (1 + colour) * kinds + k])
        for earlier in range(colour):
            coefficient = math.tanh(np.float64(raw[at + (coefficients + earlier) * kinds + k]))
            mean += coefficient * (pixel[earlier] * step - 1.0)
        log_scale = np.float64(raw[at + (1 + colours + colour) * kinds + k])
        mixture.means[k] = mean
        mixture.precisions[k] = math.exp(-min(max(log_scale, _LOWEST), _HIGHEST))


@inline
def level_below(mixture, uniform):
    """Return the first level whose cumulative probability exceeds `uniform`: the draw by inverse CDF."""
    levels, log_weights, means, precisions = mixture
    low, high = 0, levels - 1
    while low < high:
        middle = (low + high) // 2
        edge = (2 * middle + 1) / (levels - 1) - 1.0
        total = 0.0
        for k in range(len(log_weights)):
            total += math.exp(log_weights[k]) * _sigmoid((edge - means[k]) * precisions[k])
        if total > uniform:
            high = middle
        else:
            low = middle + 1
    return low


@inline
def level_log_probs(mixture, logits):
    """Fill `logits` (L,) with the log-probabilities of all levels."""
    levels, log_weights, means, precisions = mixture
    logits[:] = 0.0
    for k in range(len(log_weights)):
        weight = math.exp(log_weights[k])
        width = -math.expm1(-2.0 / (levels - 1) * precisions[k])
        above_bottom = 1.0
        for level in range(levels - 1):
            z = ((2 * level + 1) / (levels - 1) - 1.0 - means[k]) * precisions[k]
            small = math.exp(-abs(z))
            large = 1.0 / (1.0 + small)
            small *= large
            below_top = large if z > 0.0 else small
            logits[level] += weight * below_top * above_bottom * (width if level else 1.0)
            above_bottom = small if z > 0.0 else large
        logits[levels - 1] += weight * above_bottom
    for level in range(levels):
        if logits[level] > _TINY:
            logits[level] = math.log(logits[level])
        else:
            logits[level] = log_prob_of(mixture, level)


@inline
def log_prob_of(mixture, level):
    """Return the log-probability of one level, without underflow."""
    top = -np.inf
    for k in range(len(mixture.log_weights)):
        top = max(top, mixture.log_weights[k] + _component_log_prob(mixture, level, k))
    total = 0.0
    for k in range(len(mixture.log_weights)):
        total += math.exp(mixture.log_weights[k] + _component_log_prob(mixture, level, k) - top)
    return top + math.log(total)


@inline
def learn(mixture, level):
    """Replace the weights by their posterior after the colour is known to be at `level`."""
    for k in range(len(mixture.log_weights)):
        mixture.log_weights[k] += _component_log_prob(mixture, level, k)
    _normalise(mixture.log_weights)


@inline
def _component_log_prob(mixture, level, k):
    half = 1.0 / (mixture.levels - 1)
    centred = level * 2.0 * half - 1.0 - mixture.means[k]
    return log_mass(centred, half, mixture.precisions[k], level == 0, level == mixture.levels - 1)


@inline
def _sigmoid(z):
    return 1.0 / (1.0 + math.exp(-z))


@inline
def _normalise(log_weights):
    top = -np.inf
    for k in range(len(log_weights)):
        top = max(top, log_weights[k])
    total = 0.0
    for k in range(len(log_weights)):
        total += math.exp(log_weights[k] - top)
    shift = top + math.log(total)
    for k in range(len(log_weights)):
        log_weights[k] -= shift
