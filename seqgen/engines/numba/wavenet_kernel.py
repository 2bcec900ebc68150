"""The loops of the fused WaveNet sampler: what a step computes, several steps ahead where that is possible.

Legend: M lanes of a thread, L layers, k kernel size, R residual channels, T steps computed ahead.

Every layer's inputs of the last (k - 1) d steps lie in a ring of a power of two rows, which is never shifted: the row
of step t is t modulo its size. A layer of dilation d reads inputs that are at least d steps old. Where d >= T its
products with them are therefore computed for T steps at once, which reads the weights once instead of T times. The
skip products of all layers are one product over their gates. Sums keep one order whatever T is: bias and conditions,
then the taps from the oldest to the present one.
"""

from __future__ import annotations

import numpy as np

from seqgen.engines.numba.compile import inline, kernel
from seqgen.engines.numba.draw import draw
from seqgen.engines.numba.loops import copy, gate, relu
from seqgen.engines.numba.random import uniform
from seqgen.engines.numba.vector import matmul
from seqgen.engines.numba.wavenet_draw import draw_sound
from seqgen.engines.numba.wavenet_packing import HIDDEN, OUTPUT, PAST, PRESENT, RESIDUAL, SKIP, Packed, Sizes
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)
_AHEAD = 4
_PARALLEL = 32
_ZERO = np.float32(0.0)
NOTHING_TO_DRAW, NOT_FINITE = 1, 2


@inline
def _begin_gates(s, packed, base, local, local_at, frame, within, layer, target, target_at):
    """Biases and conditions of a layer's gates at one step, which is sample `within` of `frame` of the features."""
    first = layer * s.gates
    if len(local) == 0:
        copy(base, first, target, target_at, s.gates)
        return
    one, other = packed.upsample[0, within], packed.upsample[1, within]
    here = local_at + frame * s.layers * s.gates + first
    # the nearest frame is not mixed with the next, which may not be there
    after = here + s.layers * s.gates if other != _ZERO else here
    for j in range(s.gates):
        mixed = one * local[np.uintp(here + j)] + other * local[np.uintp(after + j)]
        target[np.uintp(target_at + j)] = base[np.uintp(first + j)] + mixed


@inline
def _past(s, packed, rings, lane, clock, layer, target, target_at):
    """The inputs that a layer had (k - 1) d, …, d steps before `clock`, the oldest first."""
    begin, mask, dilation = packed.ring_at[layer], packed.ring_mask[layer], packed.dilations[layer]
    for j in range(s.taps - 1):
        row = (clock - (s.taps - 1 - j) * dilation) & mask
        copy(rings, lane * s.ring + begin + row * s.channels, target, target_at + j * s.channels, s.channels)


@inline
def _keep(s, packed, rings, lane, clock, layer, source, source_at):
    """Write the input of a layer at `clock` into its ring."""
    row = clock & packed.ring_mask[layer]
    copy(source, source_at, rings, lane * s.ring + packed.ring_at[layer] + row * s.channels, s.channels)


@inline
def _first(s, packed, inputs, target, target_at):
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


@kernel
def advance(
    sizes, packed_weights, lanes, counts, seed, base, local, first_frame, rings, history, clock, position, index,
    reshapes, parameters, allowed, seen, symbols, log_probs,
):  # fmt: skip
    """Draw counts[m] samples of lane lanes[m], the most first; 0, `NOTHING_TO_DRAW` or `NOT_FINITE`.

    One long function on purpose: as parts that hand each other their arrays it is a quarter slower.

    Args:
        sizes, packed_weights: `Sizes` and `Packed` as plain tuples.
        base: (B, Z) float32, gate biases and what class and vector add. local: (B, n, Z) float32, projected frames
            from first_frame (B,) on; of no lanes if there are none.
        rings: (B, ring) float32. history, clock, position, index: those of `SoundEngine`, of which only `history`
            and `rings` are moved on.
        symbols: (B, N) float64. log_probs: (B, N or 0, 2).
    """
    s, packed = Sizes(*sizes), Packed(*packed_weights)
    many = len(lanes)
    ahead = _AHEAD if many < _AHEAD else 1
    steps = many * ahead
    past = (s.taps - 1) * s.channels
    flat_rings, flat_local = rings.reshape(-1), local.reshape(-1)
    delayed = np.zeros(steps * past, np.float32)
    waiting = np.zeros(s.layers * steps * s.gates, np.float32)
    sums = np.zeros(many * s.gates, np.float32)
    h = np.zeros(many * s.channels_wide, np.float32)
    gated = np.zeros(many * s.layers * s.half, np.float32)
    skipped = np.zeros(many * s.skip_wide, np.float32)
    hidden = np.zeros(many * s.skip_wide, np.float32)
    logits = np.zeros(many * s.outputs_wide, np.float32)
    values, order = np.empty(s.outputs, np.float64), np.empty(s.symbols, np.int64)
    work = np.empty((2, s.outputs), np.float64)
    all_gates = s.layers * s.half
    frames, wide_hop = local.shape[1] * local.shape[2], max(s.hop, 1)
    running = many
    for begin in range(0, counts[0] if many > 0 else 0, ahead):
        while running > 0 and counts[running - 1] <= begin:
            running -= 1
        if ahead > 1:
            for layer in range(s.layers):
                if packed.dilations[layer] < ahead:
                    continue
                own = waiting[layer * steps * s.gates : (layer + 1) * steps * s.gates]
                for m in range(running):
                    lane = lanes[m]
                    for k in range(min(ahead, counts[m] - begin)):
                        row, place = m * ahead + k, position[lane] + begin + k
                        frame = place // wide_hop - first_frame[lane]
                        _begin_gates(
                            s, packed, base[lane], flat_local, lane * frames, frame, place % wide_hop, layer, own,
                            row * s.gates,
                        )  # fmt: skip
                        _past(
                            s, packed, flat_rings, lane, clock[lane] + begin + k, layer, delayed, row * past
                        )
                matmul(
                    delayed, 0, past, running * ahead, packed.matrices, packed.at[layer, PAST], past, s.gates, own,
                    s.gates,
                )  # fmt: skip
        for k in range(ahead):
            t = begin + k
            while running > 0 and counts[running - 1] <= t:
                running -= 1
            if running == 0:
                break
            for m in range(running):
                _first(s, packed, history[lanes[m]], h, m * s.channels_wide)
            for layer in range(s.layers):
                if ahead > 1 and packed.dilations[layer] >= ahead:
                    for m in range(running):
                        copy(waiting, ((layer * many + m) * ahead + k) * s.gates, sums, m * s.gates, s.gates)
                else:
                    for m in range(running):
                        lane = lanes[m]
                        place = position[lane] + t
                        frame = place // wide_hop - first_frame[lane]
                        _begin_gates(
                            s, packed, base[lane], flat_local, lane * frames, frame, place % wide_hop, layer, sums,
                            m * s.gates,
                        )  # fmt: skip
                        _past(s, packed, flat_rings, lane, clock[lane] + t, layer, delayed, m * past)
                    matmul(
                        delayed, 0, past, running, packed.matrices, packed.at[layer, PAST], past, s.gates, sums,
                        s.gates,
                    )  # fmt: skip
                matmul(
                    h, 0, s.channels_wide, running, packed.matrices, packed.at[layer, PRESENT], s.channels, s.gates,
                    sums, s.gates,
                )  # fmt: skip
                for m in range(running):
                    _keep(s, packed, flat_rings, lanes[m], clock[lanes[m]] + t, layer, h, m * s.channels_wide)
                    gate(
                        sums,
                        m * s.gates,
                        m * s.gates + s.half_wide,
                        gated,
                        m * all_gates + layer * s.half,
                        s.half,
                    )
                if layer + 1 < s.layers:
                    for m in range(running):
                        for i in range(s.channels):
                            h[m * s.channels_wide + i] += packed.residual[layer, i]
                    matmul(
                        gated, layer * s.half, all_gates, running, packed.matrices, packed.at[layer, RESIDUAL], s.half,
                        s.channels_wide, h, s.channels_wide,
                    )  # fmt: skip
            for m in range(running):
                copy(packed.skip, 0, skipped, m * s.skip_wide, s.skip_wide)
                copy(packed.hidden, 0, hidden, m * s.skip_wide, s.skip_wide)
                copy(packed.output, 0, logits, m * s.outputs_wide, s.outputs_wide)
            matmul(
                gated, 0, all_gates, running, packed.matrices, packed.head_at[SKIP], all_gates, s.skip_wide, skipped,
                s.skip_wide,
            )  # fmt: skip
            relu(skipped, 0, skipped, 0, running * s.skip_wide)
            matmul(
                skipped, 0, s.skip_wide, running, packed.matrices, packed.head_at[HIDDEN], s.skip, s.skip_wide, hidden,
                s.skip_wide,
            )  # fmt: skip
            relu(hidden, 0, hidden, 0, running * s.skip_wide)
            matmul(
                hidden, 0, s.skip_wide, running, packed.matrices, packed.head_at[OUTPUT], s.skip, s.outputs_wide,
                logits, s.outputs_wide,
            )  # fmt: skip
            for m in range(running):
                lane = lanes[m]
                place = np.uint64(position[lane] + t)
                for v in range(s.outputs):
                    values[v] = logits[m * s.outputs_wide + v]
                if s.kind == 0:
                    u = uniform(seed, index[lane], place, _TOKEN)
                    symbol, log_prob, drawn = draw(
                        values, reshapes[lane], parameters[lane], allowed[lane], seen[lane], order, work, u,
                        log_probs.shape[1] > 0,
                    )  # fmt: skip
                    if symbol < 0:
                        return NOTHING_TO_DRAW
                    seen[lane, symbol] = True
                    read = np.float64(symbol)
                    symbols[lane, t] = read
                else:
                    value, read, log_prob = draw_sound(
                        s, values, work[0], seed, index[lane], place, log_probs.shape[1] > 0
                    )
                    if not np.isfinite(read):
                        return NOT_FINITE
                    drawn = log_prob
                    symbols[lane, t] = value
                if log_probs.shape[1] > 0:
                    log_probs[lane, t, 0] = log_prob
                    log_probs[lane, t, 1] = drawn
                for j in range(s.taps - 1, 0, -1):
                    history[lane, j] = history[lane, j - 1]
                history[lane, 0] = read
    return 0


@kernel
def prime(sizes, packed_weights, base, rings, inputs):
    """Take a lane's rings (ring,) from its start through the prompt, many steps at a time, to the same bits.

    Args:
        base: (Z,) float32. inputs: (k + T,) float64, what stands before the start and then the prompt's values.
    """
    s, packed = Sizes(*sizes), Packed(*packed_weights)
    steps = len(inputs) - s.taps
    past = (s.taps - 1) * s.channels
    delayed = np.zeros(_PARALLEL * past, np.float32)
    sums = np.zeros(_PARALLEL * s.gates, np.float32)
    h = np.zeros(_PARALLEL * s.channels_wide, np.float32)
    gated = np.zeros(_PARALLEL * s.half, np.float32)
    newest = np.zeros(s.taps)
    none = np.zeros(0, np.float32)
    for begin in range(0, steps, _PARALLEL):
        many = min(_PARALLEL, steps - begin)
        for k in range(many):
            for j in range(s.taps):
                newest[j] = inputs[begin + k + s.taps - 1 - j]
            _first(s, packed, newest, h, k * s.channels_wide)
        for layer in range(s.layers):
            for k in range(many):
                # a row of the ring is read by the step that overwrites it, and inputs of this block are in it by then
                _begin_gates(s, packed, base, none, 0, 0, 0, layer, sums, k * s.gates)
                _past(s, packed, rings, 0, begin + k, layer, delayed, k * past)
                _keep(s, packed, rings, 0, begin + k, layer, h, k * s.channels_wide)
            matmul(
                delayed, 0, past, many, packed.matrices, packed.at[layer, PAST], past, s.gates, sums, s.gates
            )
            matmul(
                h, 0, s.channels_wide, many, packed.matrices, packed.at[layer, PRESENT], s.channels, s.gates, sums,
                s.gates,
            )  # fmt: skip
            if layer + 1 == s.layers:
                continue
            for k in range(many):
                gate(sums, k * s.gates, k * s.gates + s.half_wide, gated, k * s.half, s.half)
                for i in range(s.channels):
                    h[k * s.channels_wide + i] += packed.residual[layer, i]
            matmul(
                gated, 0, s.half, many, packed.matrices, packed.at[layer, RESIDUAL], s.half, s.channels_wide, h,
                s.channels_wide,
            )  # fmt: skip


@kernel
def project(x, stride, rows, inputs, matrix, bias, rectify):
    """Rows of x @ W + bias, and ReLU if wanted; row r of x begins at r · stride and has so many inputs."""
    columns = len(bias)
    y = np.empty(rows * columns, np.float32)
    for r in range(rows):
        copy(bias, 0, y, r * columns, columns)
    matmul(x, 0, stride, rows, matrix, 0, inputs, columns, y, columns)
    if rectify:
        relu(y, 0, y, 0, len(y))
    return y.reshape(rows, columns)
