"""The loops of the fused WaveNet sampler for lanes side by side, for prompts and for conditions.

Legend: M lanes of a thread, L layers, k kernel size, R residual channels. Sums keep one order everywhere: bias and
conditions, then the taps from the oldest to the present one. A lane that is alone is faster in `wavenet_lane`.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.kernels.compile import kernel
from seqgen.kernels.loops import copy, gate, relu
from seqgen.kernels.vector import matmul
from seqgen.models.wavenet.numba_draw import draw_next
from seqgen.models.wavenet.numba_inputs import begin_gates, keep_input, read_inputs, read_past
from seqgen.models.wavenet.numba_packing import HIDDEN, OUTPUT, PAST, PRESENT, RESIDUAL, SKIP, Packed, Sizes

_PARALLEL = 32


@kernel
def advance(
    sizes, packed_weights, lanes, counts, seed, base, local, first_frame, rings, history, clock, position, index,
    reshapes, parameters, allowed, seen, symbols, log_probs,
):  # fmt: skip
    """Draw counts[m] samples of lane lanes[m], the most first; 0, `NOTHING_TO_DRAW` or `NOT_FINITE`.

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
    past = (s.taps - 1) * s.channels
    flat_rings, flat_local = rings.reshape(-1), local.reshape(-1)
    delayed = np.zeros(many * past, np.float32)
    sums = np.zeros(many * s.gates, np.float32)
    h = np.zeros(many * s.channels_padded, np.float32)
    gated = np.zeros(many * s.half, np.float32)
    skipped = np.zeros(many * s.skip_padded, np.float32)
    hidden = np.zeros(many * s.skip_padded, np.float32)
    logits = np.zeros(many * s.outputs_padded, np.float32)
    values, order = np.empty(s.outputs, np.float64), np.empty(s.symbols, np.int64)
    work = np.empty((2, s.outputs), np.float64)
    frames, wide_hop = local.shape[1] * local.shape[2], max(s.hop, 1)
    running = many
    for t in range(counts[0] if many > 0 else 0):
        while running > 0 and counts[running - 1] <= t:
            running -= 1
        for m in range(running):
            read_inputs(s, packed, history[lanes[m]], h, m * s.channels_padded)
            copy(packed.skip, 0, skipped, m * s.skip_padded, s.skip_padded)
        for layer in range(s.layers):
            for m in range(running):
                lane = lanes[m]
                place = position[lane] + t
                frame = place // wide_hop - first_frame[lane]
                begin_gates(
                    s,
                    packed,
                    base[lane],
                    flat_local,
                    lane * frames,
                    frame,
                    place % wide_hop,
                    layer,
                    sums,
                    m * s.gates,
                )
                read_past(s, packed, flat_rings, lane, clock[lane] + t, layer, delayed, m * past)
                keep_input(s, packed, flat_rings, lane, clock[lane] + t, layer, h, m * s.channels_padded)
            matmul(
                delayed,
                0,
                past,
                running,
                packed.matrices,
                packed.at[layer, PAST],
                past,
                s.gates,
                sums,
                s.gates,
            )
            matmul(
                h, 0, s.channels_padded, running, packed.matrices, packed.at[layer, PRESENT], s.channels, s.gates,
                sums, s.gates,
            )  # fmt: skip
            for m in range(running):
                gate(sums, m * s.gates, m * s.gates + s.half_padded, gated, m * s.half, s.half)
            matmul(
                gated, 0, s.half, running, packed.matrices, packed.at[layer, SKIP], s.half, s.skip_padded, skipped,
                s.skip_padded,
            )  # fmt: skip
            if layer + 1 < s.layers:
                for m in range(running):
                    for i in range(s.channels):
                        h[m * s.channels_padded + i] += packed.residual[layer, i]
                matmul(
                    gated, 0, s.half, running, packed.matrices, packed.at[layer, RESIDUAL], s.half, s.channels_padded,
                    h, s.channels_padded,
                )  # fmt: skip
        for m in range(running):
            copy(packed.hidden, 0, hidden, m * s.skip_padded, s.skip_padded)
            copy(packed.output, 0, logits, m * s.outputs_padded, s.outputs_padded)
        relu(skipped, 0, skipped, 0, running * s.skip_padded)
        matmul(
            skipped, 0, s.skip_padded, running, packed.matrices, packed.head_at[HIDDEN], s.skip, s.skip_padded, hidden,
            s.skip_padded,
        )  # fmt: skip
        relu(hidden, 0, hidden, 0, running * s.skip_padded)
        matmul(
            hidden, 0, s.skip_padded, running, packed.matrices, packed.head_at[OUTPUT], s.skip, s.outputs_padded,
            logits, s.outputs_padded,
        )  # fmt: skip
        for m in range(running):
            lane = lanes[m]
            for v in range(s.outputs):
                values[v] = logits[m * s.outputs_padded + v]
            code = draw_next(
                s, values, order, work, seed, index[lane], np.uint64(position[lane] + t), reshapes[lane],
                parameters[lane], allowed[lane], seen[lane], history[lane], symbols[lane], log_probs[lane], t,
            )  # fmt: skip
            if code != 0:
                return code
    return 0


@kernel
def prefill(sizes, packed_weights, base, rings, inputs):
    """Take a lane's rings (ring,) from its start through the prompt, many steps at a time, to the same bits.

    Args:
        base: (Z,) float32. inputs: (k + T,) float64, what stands before the start and then the prompt's values.
    """
    s, packed = Sizes(*sizes), Packed(*packed_weights)
    steps = len(inputs) - s.taps
    past = (s.taps - 1) * s.channels
    delayed = np.zeros(_PARALLEL * past, np.float32)
    sums = np.zeros(_PARALLEL * s.gates, np.float32)
    h = np.zeros(_PARALLEL * s.channels_padded, np.float32)
    gated = np.zeros(_PARALLEL * s.half, np.float32)
    newest = np.zeros(s.taps)
    none = np.zeros(0, np.float32)
    for begin in range(0, steps, _PARALLEL):
        many = min(_PARALLEL, steps - begin)
        for k in range(many):
            for j in range(s.taps):
                newest[j] = inputs[begin + k + s.taps - 1 - j]
            read_inputs(s, packed, newest, h, k * s.channels_padded)
        for layer in range(s.layers):
            for k in range(many):
                # a row of the ring is read by the step that overwrites it, and inputs of this block are in it by then
                begin_gates(s, packed, base, none, 0, 0, 0, layer, sums, k * s.gates)
                read_past(s, packed, rings, 0, begin + k, layer, delayed, k * past)
                keep_input(s, packed, rings, 0, begin + k, layer, h, k * s.channels_padded)
            matmul(
                delayed, 0, past, many, packed.matrices, packed.at[layer, PAST], past, s.gates, sums, s.gates
            )
            matmul(
                h, 0, s.channels_padded, many, packed.matrices, packed.at[layer, PRESENT], s.channels, s.gates, sums,
                s.gates,
            )  # fmt: skip
            if layer + 1 == s.layers:
                continue
            for k in range(many):
                gate(sums, k * s.gates, k * s.gates + s.half_padded, gated, k * s.half, s.half)
                for i in range(s.channels):
                    h[k * s.channels_padded + i] += packed.residual[layer, i]
            matmul(
                gated, 0, s.half, many, packed.matrices, packed.at[layer, RESIDUAL], s.half, s.channels_padded, h,
                s.channels_padded,
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
