"""Draws of a WaveNet's real-valued outputs, compiled; `seqgen.models.wavenet.outputs` is the specification.

A component is drawn by its weight, then its value by inversion. Everything is in float64.
Legend: K components.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.draw import _inverse_cdf, _log_sum, draw
from seqgen.kernels.logistic import log_mass
from seqgen.kernels.random import philox4, to_logistic, to_normal, to_uniform, uniform
from seqgen.rng import Purpose

NOTHING_TO_DRAW, NOT_FINITE = 1, 2
_TOKEN = int(Purpose.TOKEN)
_COMPONENT, _EMISSION = int(Purpose.COMPONENT), int(Purpose.EMISSION)
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)
# as in seqgen.models.wavenet.outputs, which imports torch
_LOWEST_LOGISTIC, _LOWEST_GAUSSIAN, _HIGHEST = -9.0, -7.0, 20.0
_SCALE, _LOWEST, _TOP = 32768.0, -32768.0, 32767.0


@inline
def draw_next(s, scratch, seed, lane, t, sound, controls, out):
    """Draw sample t of a lane's step from its raw outputs `scratch.logits`, and update its history.

    Args:
        sound, controls, out: `SoundState`, `LaneControlArrays` and `StepArrays`.

    Returns:
        0, `NOTHING_TO_DRAW` or `NOT_FINITE`.
    """
    scored = out.log_probs.shape[2] > 0
    index, place = sound.index[lane], np.uint64(sound.position[lane] + t)
    if s.kind == 0:
        symbol, log_prob, drawn = draw(scratch, controls, lane, uniform(seed, index, place, _TOKEN), scored)
        if symbol < 0:
            return NOTHING_TO_DRAW
        controls.seen[lane, symbol] = True
        read = np.float64(symbol)
        out.symbols[lane, t] = read
    else:
        value, read, log_prob = draw_sound(s, scratch.logits, scratch.work[0], seed, index, place, scored)
        if not np.isfinite(read):
            return NOT_FINITE
        drawn = log_prob
        out.symbols[lane, t] = value
    if scored:
        out.log_probs[0, lane, t] = log_prob
        out.log_probs[1, lane, t] = drawn
    history = sound.history[lane]
    for j in range(s.taps - 1, 0, -1):
        history[j] = history[j - 1]
    history[0] = read
    return 0


@inline
def draw_sound(s, raw, work, seed, index, place, log_probs):
    """Draw one sample of a mixture from raw (3K,); return its symbol, its value as input, and its log-probability."""
    kinds, logistic = s.mixtures, s.kind == 1
    block, word = place // np.uint64(4), place % np.uint64(4)
    u = to_uniform(philox4(seed, index, block, _COMPONENT)[word])
    v = to_uniform(philox4(seed, index, block, _EMISSION)[word])
    chosen = _inverse_cdf(raw[:kinds], work[:kinds], u)
    if chosen < 0:
        return 0.0, np.nan, 0.0
    lowest = _LOWEST_LOGISTIC if logistic else _LOWEST_GAUSSIAN
    for k in range(2 * kinds, 3 * kinds):
        raw[k] = min(max(raw[k], lowest), _HIGHEST)
    mean, scale = raw[kinds + chosen], math.exp(raw[2 * kinds + chosen])
    if logistic:
        value = mean + scale * to_logistic(v)
        symbol = min(max(np.floor(value * _SCALE + 0.5), _LOWEST), _TOP)
        read = symbol / _SCALE
    else:
        symbol = mean + scale * to_normal(v)
        read = symbol
    if not log_probs or not np.isfinite(read):
        return symbol, read, 0.0
    whole = _log_sum(raw[:kinds])
    for k in range(kinds):
        precision = math.exp(-raw[2 * kinds + k])
        if logistic:
            first, last = symbol == _LOWEST, symbol == _TOP
            score = log_mass(read - raw[kinds + k], 0.5 / _SCALE, precision, first, last)
        else:
            distance = (read - raw[kinds + k]) * precision
            score = -0.5 * distance * distance - raw[2 * kinds + k] - _HALF_LOG_2_PI
        work[k] = raw[k] - whole + score
    return symbol, read, _log_sum(work[:kinds])
