"""The loops of the fused WaveNet sampler, made of the parts in `wavenet_steps`.

A layer of dilation d reads inputs that are at least d steps old. Where d >= T its products with them are therefore
computed for T steps at once, which reads the weights once instead of T times. Legend: B lanes, M of them in a thread,
k kernel size, Z gate columns of all layers, T steps computed ahead, N samples of a round.
"""

from __future__ import annotations

import numpy as np

from seqgen.engines.numba.compile import kernel
from seqgen.engines.numba.loops import copy, gate, relu
from seqgen.engines.numba.vector import matmul
from seqgen.engines.numba.wavenet_packing import PAST, PRESENT, Packed, Sizes
from seqgen.engines.numba.wavenet_steps import (
    Lanes,
    Scratch,
    draw_sample,
    first_layer,
    head,
    keep,
    layer_step,
    look_ahead,
    onward,
    taps_before,
)

_AHEAD = 4
_PARALLEL = 32


@kernel
def advance(
    sizes, packed_weights, lanes, counts, seed, base, local, first_frame, rings, history, clock, position, index,
    reshapes, parameters, allowed, seen, symbols, log_probs,
):  # fmt: skip
    """Draw counts[m] samples of lane lanes[m], the most first; 0, or what `draw_sample` could not do.

    Args:
        sizes, packed_weights: `Sizes` and `Packed` as plain tuples.
        base: (B, Z) float32, gate biases and what class and vector add. local: (B, n, Z) float32, projected frames
            from first_frame (B,) on; of no lanes if there are none.
        rings: (B, ring) float32. history, clock, position, index: those of `SoundEngine`, of which only `history`
            and `rings` are moved on.
        symbols: (B, N) float64. log_probs: (B, N or 0, 2).
    """
    s, packed = Sizes(*sizes), Packed(*packed_weights)
    own = Lanes(
        base.reshape(-1), local.reshape(-1), local.shape[1], first_frame, rings.reshape(-1), history, clock, position,
        index,
    )  # fmt: skip
    many = len(lanes)
    # several lanes share the weights among themselves
    ahead = _AHEAD if many < _AHEAD else 1
    scratch = Scratch(
        np.zeros(many * ahead * (s.taps - 1) * s.channels, np.float32),
        np.zeros(s.layers * many * ahead * s.gates, np.float32), np.zeros(many * s.gates, np.float32),
        np.zeros(many * s.channels_wide, np.float32), np.zeros(many * s.layers * s.half, np.float32),
        np.zeros(many * s.skip_wide, np.float32), np.zeros(many * s.skip_wide, np.float32),
        np.zeros(many * s.outputs_wide, np.float32),
    )  # fmt: skip
    values, work = np.empty(s.outputs, np.float64), np.empty((2, s.outputs), np.float64)
    order = np.empty(s.symbols, np.int64)
    running = many
    for t in range(counts[0] if many > 0 else 0):
        while counts[running - 1] <= t:
            running -= 1
        if ahead > 1 and t % ahead == 0:
            look_ahead(s, packed, own, scratch, lanes, counts, running, t, ahead)
        for m in range(running):
            first_layer(s, packed, history[lanes[m]], scratch.h, m * s.channels_wide)
        for layer in range(s.layers):
            layer_step(s, packed, own, scratch, lanes, running, t, layer, ahead)
        head(s, packed, scratch, running)
        for m in range(running):
            for v in range(s.outputs):
                values[v] = scratch.logits[m * s.outputs_wide + v]
            code = draw_sample(
                s,
                own,
                seed,
                lanes[m],
                t,
                values,
                order,
                work,
                reshapes,
                parameters,
                allowed,
                seen,
                symbols,
                log_probs,
            )
            if code != 0:
                return code
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
    for begin in range(0, steps, _PARALLEL):
        many = min(_PARALLEL, steps - begin)
        for k in range(many):
            for j in range(s.taps):
                newest[j] = inputs[begin + k + s.taps - 1 - j]
            first_layer(s, packed, newest, h, k * s.channels_wide)
        for layer in range(s.layers):
            for k in range(many):
                # a row of the ring is read by the step that overwrites it, and inputs of this block are in it by then
                copy(base, layer * s.gates, sums, k * s.gates, s.gates)
                taps_before(s, packed, rings, 0, begin + k, layer, delayed, k * past)
                keep(s, packed, rings, 0, begin + k, layer, h, k * s.channels_wide)
            matmul(
                delayed, 0, past, many, packed.matrices, packed.at[layer, PAST], past, s.gates, sums, s.gates
            )
            matmul(
                h, 0, s.channels_wide, many, packed.matrices, packed.at[layer, PRESENT], s.channels, s.gates, sums,
                s.gates,
            )  # fmt: skip
            if layer + 1 < s.layers:
                for k in range(many):
                    gate(sums, k * s.gates, k * s.gates + s.half_wide, gated, k * s.half, s.half)
                onward(s, packed, layer, many, gated, 0, s.half, h)


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
