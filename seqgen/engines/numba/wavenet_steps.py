"""The parts of a WaveNet's step: rings, where gates begin, a layer, the head and the draw, for M lanes at once.

Every layer's inputs of the last (k - 1) d steps lie in a ring of a power of two rows, which is never shifted: the row
of step t is t modulo its size. Sums keep one order, in whatever blocks they are computed: bias and conditions, then the
taps from the oldest to the present one. Legend: B lanes, M of them at work in a thread, L layers, k kernel size, R
residual channels, Z gate columns of all layers, T steps computed ahead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.engines.numba.compile import inline
from seqgen.engines.numba.draw import draw
from seqgen.engines.numba.loops import copy, gate, relu
from seqgen.engines.numba.random import uniform
from seqgen.engines.numba.vector import matmul
from seqgen.engines.numba.wavenet_draw import draw_sound
from seqgen.engines.numba.wavenet_packing import HIDDEN, OUTPUT, PAST, PRESENT, RESIDUAL, SKIP
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)
_ZERO = np.float32(0.0)
NOTHING_TO_DRAW, NOT_FINITE = 1, 2


class Lanes(NamedTuple):
    """What the engine holds of all lanes; `history` and `rings` move on as samples are drawn.

    Attributes:
        base: (B · Z,) float32, gate biases and what class and vector add.
        local: (B · n · Z,) float32, projected frames from first_frame (B,) on. frames: n, 0 without features.
        rings: (B · ring,) float32. history: (B, k), clock, position, indices: (B,), as in `SoundEngine`.
    """

    base: np.ndarray
    local: np.ndarray
    frames: int
    first_frame: np.ndarray
    rings: np.ndarray
    history: np.ndarray
    clock: np.ndarray
    position: np.ndarray
    indices: np.ndarray


class Scratch(NamedTuple):
    """Memory for one step of M lanes, float32.

    Attributes:
        delayed: (M · T, (k - 1) R) taps before the present one. waiting: (L, M, T, gates) sums computed ahead.
        sums: (M, gates). h: (M, padded R), the present input of a layer. gated: (M, L, half).
        skipped, hidden, logits: (M, ...) of the head.
    """

    delayed: np.ndarray
    waiting: np.ndarray
    sums: np.ndarray
    h: np.ndarray
    gated: np.ndarray
    skipped: np.ndarray
    hidden: np.ndarray
    logits: np.ndarray


@inline
def first_layer(s, packed, inputs, target, target_at):
    """The causal convolution over the last inputs (k,), the newest first."""
    for i in range(s.channels):
        target[target_at + i] = packed.input_bias[i]
    for j in range(s.taps):
        value = inputs[j]
        if s.kind == 0:
            if value >= 0:
                row = packed.input[j, int(value)]
                for i in range(s.channels):
                    target[np.uintp(target_at + i)] += row[i]
        else:
            scale, row = np.float32(value), packed.input[j, 0]
            for i in range(s.channels):
                target[np.uintp(target_at + i)] += scale * row[i]


@inline
def taps_before(s, packed, rings, rings_at, clock, layer, target, target_at):
    """The inputs that a layer had (k - 1) d, …, d steps before `clock`, the oldest first."""
    begin, mask, dilation = packed.ring_at[layer], packed.ring_mask[layer], packed.dilations[layer]
    for j in range(s.taps - 1):
        row = (clock - (s.taps - 1 - j) * dilation) & mask
        copy(rings, rings_at + begin + row * s.channels, target, target_at + j * s.channels, s.channels)


@inline
def keep(s, packed, rings, rings_at, clock, layer, source, source_at):
    """Write the input of a layer at `clock` into its ring."""
    row = clock & packed.ring_mask[layer]
    copy(source, source_at, rings, rings_at + packed.ring_at[layer] + row * s.channels, s.channels)


@inline
def onward(s, packed, layer, many, gated, gated_at, gated_stride, h):
    """Add the residual of a layer to its inputs, which become those of the next."""
    for m in range(many):
        for i in range(s.channels):
            h[m * s.channels_wide + i] += packed.residual[layer, i]
    matmul(
        gated, gated_at, gated_stride, many, packed.matrices, packed.at[layer, RESIDUAL], s.half, s.channels_wide, h,
        s.channels_wide,
    )  # fmt: skip


@inline
def _begin(s, packed, own, lane, t, layer, row, sums, delayed):
    """Biases and conditions of a layer's gates t steps on, and the taps for them, as a row of `sums` and `delayed`."""
    first, all_gates = layer * s.gates, s.layers * s.gates
    base_at, sums_at = lane * all_gates + first, row * s.gates
    if s.hop == 0:
        copy(own.base, base_at, sums, sums_at, s.gates)
    else:
        place = own.position[lane] + t
        within = place % s.hop
        one, other = packed.upsample[0, within], packed.upsample[1, within]
        here = (lane * own.frames + place // s.hop - own.first_frame[lane]) * all_gates + first
        # the nearest frame is not mixed with the next, which may not be there
        after = here + all_gates if other != _ZERO else here
        for j in range(s.gates):
            mixed = one * own.local[np.uintp(here + j)] + other * own.local[np.uintp(after + j)]
            sums[np.uintp(sums_at + j)] = own.base[np.uintp(base_at + j)] + mixed
    past = (s.taps - 1) * s.channels
    taps_before(s, packed, own.rings, lane * s.ring, own.clock[lane] + t, layer, delayed, row * past)


@inline
def _add_past(s, packed, layer, rows, sums, delayed):
    past = (s.taps - 1) * s.channels
    matmul(delayed, 0, past, rows, packed.matrices, packed.at[layer, PAST], past, s.gates, sums, s.gates)


@inline
def look_ahead(s, packed, own, scratch, lanes, counts, running, begin, ahead):
    """Sums of the next `ahead` steps up to the present tap, of all layers that reach back as far."""
    block = len(lanes) * ahead * s.gates
    for layer in range(s.layers):
        if packed.dilations[layer] >= ahead:
            sums = scratch.waiting[layer * block : (layer + 1) * block]
            for m in range(running):
                for k in range(min(ahead, counts[m] - begin)):
                    _begin(s, packed, own, lanes[m], begin + k, layer, m * ahead + k, sums, scratch.delayed)
            _add_past(s, packed, layer, running * ahead, sums, scratch.delayed)


@inline
def layer_step(s, packed, own, scratch, lanes, running, t, layer, ahead):
    """One layer at step t, of which k = t % ahead was computed ahead if `ahead` is above 1."""
    if ahead > 1 and packed.dilations[layer] >= ahead:
        for m in range(running):
            at = ((layer * len(lanes) + m) * ahead + t % ahead) * s.gates
            copy(scratch.waiting, at, scratch.sums, m * s.gates, s.gates)
    else:
        for m in range(running):
            _begin(s, packed, own, lanes[m], t, layer, m, scratch.sums, scratch.delayed)
        _add_past(s, packed, layer, running, scratch.sums, scratch.delayed)
    matmul(
        scratch.h, 0, s.channels_wide, running, packed.matrices, packed.at[layer, PRESENT], s.channels, s.gates,
        scratch.sums, s.gates,
    )  # fmt: skip
    all_gated, here = s.layers * s.half, layer * s.half
    for m in range(running):
        lane, sums = lanes[m], m * s.gates
        keep(s, packed, own.rings, lane * s.ring, own.clock[lane] + t, layer, scratch.h, m * s.channels_wide)
        gate(scratch.sums, sums, sums + s.half_wide, scratch.gated, m * all_gated + here, s.half)
    if layer + 1 < s.layers:
        onward(s, packed, layer, running, scratch.gated, here, all_gated, scratch.h)


@inline
def head(s, packed, scratch, running):
    """The outputs of a step from the gates of all layers, whose skip products are one."""
    for m in range(running):
        copy(packed.skip, 0, scratch.skipped, m * s.skip_wide, s.skip_wide)
        copy(packed.hidden, 0, scratch.hidden, m * s.skip_wide, s.skip_wide)
        copy(packed.output, 0, scratch.logits, m * s.outputs_wide, s.outputs_wide)
    inputs, wide = s.layers * s.half, s.skip_wide
    matmul(
        scratch.gated,
        0,
        inputs,
        running,
        packed.matrices,
        packed.head_at[SKIP],
        inputs,
        wide,
        scratch.skipped,
        wide,
    )
    relu(scratch.skipped, 0, scratch.skipped, 0, running * wide)
    matmul(
        scratch.skipped,
        0,
        wide,
        running,
        packed.matrices,
        packed.head_at[HIDDEN],
        s.skip,
        wide,
        scratch.hidden,
        wide,
    )
    relu(scratch.hidden, 0, scratch.hidden, 0, running * wide)
    matmul(
        scratch.hidden, 0, wide, running, packed.matrices, packed.head_at[OUTPUT], s.skip, s.outputs_wide,
        scratch.logits, s.outputs_wide,
    )  # fmt: skip


@inline
def draw_sample(
    s, own, seed, lane, t, values, order, work, reshapes, parameters, allowed, seen, symbols, log_probs
):
    """Draw sample t of a lane from its raw outputs `values`; 0, `NOTHING_TO_DRAW` or `NOT_FINITE`."""
    place, wanted = np.uint64(own.position[lane] + t), log_probs.shape[1] > 0
    if s.kind == 0:
        u = uniform(seed, own.indices[lane], place, _TOKEN)
        level, log_prob, drawn = draw(
            values, reshapes[lane], parameters[lane], allowed[lane], seen[lane], order, work, u, wanted
        )
        if level < 0:
            return NOTHING_TO_DRAW
        seen[lane, level] = True
        symbol = read = np.float64(level)
    else:
        symbol, read, log_prob = draw_sound(s, values, work[0], seed, own.indices[lane], place, wanted)
        if not np.isfinite(read):
            return NOT_FINITE
        drawn = log_prob
    symbols[lane, t] = symbol
    if wanted:
        log_probs[lane, t, 0] = log_prob
        log_probs[lane, t, 1] = drawn
    for j in range(s.taps - 1, 0, -1):
        own.history[lane, j] = own.history[lane, j - 1]
    own.history[lane, 0] = read
    return 0
