"""Drawing from a discretized mixture of logistics, compiled; specified by `seqgen.models.pixel_cnn_pp.logistics`.

Without controls a level is found by bisecting the mixture's distribution function, which takes a handful of
sigmoids instead of the probabilities of all levels. Everything is in float64. Legend: C colours, K components,
L levels.
"""

from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline

# these are those of seqgen.models.pixel_cnn_pp.logistics, which imports torch
_LOWEST, _HIGHEST = -7.0, 20.0
_TINY = 1e-250


@inline
def begin_pixel(raw, at, mixtures, joint):
    """Fill `joint` (K,) with the normalised log-weights of the pixel whose parameters begin at raw[at]."""
    for k in range(mixtures):
        joint[k] = raw[at + k]
    _normalise(joint)


@inline
def components(raw, at, colour, colours, mixtures, levels_of, levels, means, precisions):
    """Fill the means and inverse scales (K,) of one colour, given the levels (C,) of those before."""
    step = 2.0 / (levels - 1)
    coefficients = 1 + 2 * colours + colour * (colour - 1) // 2
    for k in range(mixtures):
        mean = np.float64(raw[at + (1 + colour) * mixtures + k])
        for earlier in range(colour):
            coefficient = math.tanh(np.float64(raw[at + (coefficients + earlier) * mixtures + k]))
            mean += coefficient * (levels_of[earlier] * step - 1.0)
        log_scale = np.float64(raw[at + (1 + colours + colour) * mixtures + k])
        means[k] = mean
        precisions[k] = math.exp(-min(max(log_scale, _LOWEST), _HIGHEST))


@inline
def level_below(joint, means, precisions, levels, uniform):
    """The first level whose cumulative probability exceeds `uniform`: the draw by inverse CDF."""
    low, high = 0, levels - 1
    while low < high:
        middle = (low + high) // 2
        edge = (2 * middle + 1) / (levels - 1) - 1.0
        total = 0.0
        for k in range(len(joint)):
            total += math.exp(joint[k]) * _sigmoid((edge - means[k]) * precisions[k])
        if total > uniform:
            high = middle
        else:
            low = middle + 1
    return low


@inline
def level_log_probs(joint, means, precisions, levels, logits):
    """Fill `logits` (L,) with the log-probabilities of all levels."""
    logits[:] = 0.0
    for k in range(len(joint)):
        weight = math.exp(joint[k])
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
            logits[level] = log_prob_of(level, joint, means, precisions, levels)


@inline
def log_prob_of(level, joint, means, precisions, levels):
    """The log-probability of one level, however small."""
    top = -np.inf
    for k in range(len(joint)):
        top = max(top, joint[k] + _component_log_prob(level, means[k], precisions[k], levels))
    total = 0.0
    for k in range(len(joint)):
        total += math.exp(joint[k] + _component_log_prob(level, means[k], precisions[k], levels) - top)
    return top + math.log(total)


@inline
def learn(level, joint, means, precisions, levels):
    """Make of `joint` the log-weights after a colour was found to be at `level`: their posterior."""
    for k in range(len(joint)):
        joint[k] += _component_log_prob(level, means[k], precisions[k], levels)
    _normalise(joint)


@inline
def _component_log_prob(level, mean, precision, levels):
    half = 1.0 / (levels - 1)
    centred = level * 2.0 * half - 1.0 - mean
    result = 0.0
    if level < levels - 1:
        result += _log_sigmoid((centred + half) * precision)
    if level > 0:
        result += _log_sigmoid((half - centred) * precision)
    if 0 < level < levels - 1:
        result += math.log(-math.expm1(-2.0 * half * precision))
    return result


@inline
def _sigmoid(z):
    return 1.0 / (1.0 + math.exp(-z))


@inline
def _log_sigmoid(z):
    return min(z, 0.0) - math.log1p(math.exp(-abs(z)))


@inline
def _normalise(joint):
    top = -np.inf
    for k in range(len(joint)):
        top = max(top, joint[k])
    total = 0.0
    for k in range(len(joint)):
        total += math.exp(joint[k] - top)
    shift = top + math.log(total)
    for k in range(len(joint)):
        joint[k] -= shift
