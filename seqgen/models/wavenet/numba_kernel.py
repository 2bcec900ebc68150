"""The loops of the fused WaveNet sampler: several lanes together, the prefill, and conditions.

The order of sums is the same everywhere: bias and conditions, then the taps from the oldest to the current one. A
single lane is faster in `numba_lane`.
Legend: M lanes of a thread, L layers, k kernel size, R residual channels.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.audio.numba_lanes import Local, SoundState
from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.draw import draw_scratch
from seqgen.kernels.lanes import LaneControlArrays, StepArrays
from seqgen.kernels.loops import add, copy, gate, relu
from seqgen.kernels.vector import matmul
from seqgen.models.wavenet.numba_draw import draw_next
from seqgen.models.wavenet.numba_inputs import Cache, begin_gates, keep_input, read_inputs, read_past
from seqgen.models.wavenet.numba_packing import HIDDEN, OUTPUT, PAST, PRESENT, RESIDUAL, SKIP, Packed, Sizes

_PARALLEL = 32


@kernel
def advance(model, lanes, counts, seed, sound, cache, local, controls, out):
    """Draw counts[m] samples of lane lanes[m], with counts descending; return 0, `NOTHING_TO_DRAW` or `NOT_FINITE`.

    Args:
        model: `Sizes` and `Packed`.
        sound, cache: `SoundState` and `Cache`, of which only `history` and `rings` are updated.
        local, controls, out: `Local`, without lanes if there are no features, `LaneControlArrays` and `StepArrays`,
            whose
            symbols are float64. All are plain tuples.
    """
    s, packed = Sizes(*model[0]), Packed(*model[1])
    sound, cache, local = SoundState(*sound), Cache(*cache), Local(*local)
    controls, out = LaneControlArrays(*controls), StepArrays(*out)
    matrices, at_layer = packed.matrices, packed.at
    base, history, clock, position = cache.base, sound.history, sound.clock, sound.position
    rings, frames, first_frame = cache.rings.reshape(-1), local.frames.reshape(-1), local.first
    hop, frame_size = max(s.hop, 1), s.layers * s.gates
    lane_frames = local.frames.shape[1] * frame_size
    many = len(lanes)
    past = (s.taps - 1) * s.channels
    delayed = np.zeros(many * past, np.float32)
    sums = np.zeros(many * s.gates, np.float32)
    h = np.zeros(many * s.channels_padded, np.float32)
    gated = np.zeros(many * s.half, np.float32)
    skipped = np.zeros(many * s.skip_padded, np.float32)
    hidden = np.zeros(many * s.skip_padded, np.float32)
    logits = np.zeros(many * s.outputs_padded, np.float32)
    scratch = draw_scratch(s.outputs)
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
                place, now = position[lane] + t, clock[lane] + t
                at = lane * lane_frames + (place // hop - first_frame[lane]) * frame_size
                begin_gates(s, packed, base[lane], frames, at, place % hop, layer, sums, m * s.gates)
                read_past(s, packed, rings, lane * s.ring, now, layer, delayed, m * past)
                keep_input(s, packed, rings, lane * s.ring, now, layer, h, m * s.channels_padded)
            layer_product(s, matrices, at_layer, layer, running, delayed, h, sums)
            for m in range(running):
                gate(sums, m * s.gates, m * s.gates + s.half_padded, gated, m * s.half, s.half)
            matmul(
                gated, 0, s.half, running, matrices, at_layer[layer, SKIP], s.half, s.skip_padded, skipped,
                s.skip_padded,
            )  # fmt: skip
            if layer + 1 < s.layers:
                add_residual(s, matrices, at_layer, packed.residual, layer, running, gated, h)
        for m in range(running):
            copy(packed.hidden, 0, hidden, m * s.skip_padded, s.skip_padded)
            copy(packed.output, 0, logits, m * s.outputs_padded, s.outputs_padded)
        relu(skipped, 0, skipped, 0, running * s.skip_padded)
        matmul(
            skipped, 0, s.skip_padded, running, matrices, packed.head_at[HIDDEN], s.skip, s.skip_padded, hidden,
            s.skip_padded,
        )  # fmt: skip
        relu(hidden, 0, hidden, 0, running * s.skip_padded)
        matmul(
            hidden, 0, s.skip_padded, running, matrices, packed.head_at[OUTPUT], s.skip, s.outputs_padded,
            logits, s.outputs_padded,
        )  # fmt: skip
        for m in range(running):
            for v in range(s.outputs):
                scratch.logits[v] = logits[np.uintp(m * s.outputs_padded + v)]
            code = draw_next(s, scratch, seed, lanes[m], t, sound, controls, out)
            if code != 0:
                return code
    return 0


@inline
def layer_product(s, matrices, at, layer, rows, delayed, h, sums):
    """Add the products of a layer with its delayed and its current inputs to the sums of its gates."""
    past = (s.taps - 1) * s.channels
    matmul(delayed, 0, past, rows, matrices, at[layer, PAST], past, s.gates, sums, s.gates)
    matmul(h, 0, s.channels_padded, rows, matrices, at[layer, PRESENT], s.channels, s.gates, sums, s.gates)


@inline
def add_residual(s, matrices, at, residual, layer, rows, gated, h):
    """Replace the inputs of a layer by those of the next."""
    width = s.channels_padded
    for m in range(rows):
        add(residual[layer], 0, h, m * width, s.channels)
    matmul(gated, 0, s.half, rows, matrices, at[layer, RESIDUAL], s.half, width, h, width)


@kernel
def prefill(model, cache, lane, inputs):
    """Update a lane's ring buffers with a prompt, many steps at a time, with the same bits as step by step.

    Args:
        model, cache: as for `advance`.
        inputs: (k + T,) float64, the history at the start, followed by the prompt's values.
    """
    s, packed, cache = Sizes(*model[0]), Packed(*model[1]), Cache(*cache)
    base, rings = cache.base[lane], cache.rings[lane]
    matrices, at_layer, none = packed.matrices, packed.at, np.zeros(0, np.float32)
    steps = len(inputs) - s.taps
    past = (s.taps - 1) * s.channels
    delayed = np.zeros(_PARALLEL * past, np.float32)
    sums = np.zeros(_PARALLEL * s.gates, np.float32)
    h = np.zeros(_PARALLEL * s.channels_padded, np.float32)
    gated = np.zeros(_PARALLEL * s.half, np.float32)
    newest = np.zeros(s.taps)
    for begin in range(0, steps, _PARALLEL):
        many = min(_PARALLEL, steps - begin)
        for k in range(many):
            for j in range(s.taps):
                newest[j] = inputs[begin + k + s.taps - 1 - j]
            read_inputs(s, packed, newest, h, k * s.channels_padded)
        for layer in range(s.layers):
            for k in range(many):
                # a row of the ring is read by the step that overwrites it, and already contains inputs of this block
                begin_gates(s, packed, base, none, 0, 0, layer, sums, k * s.gates)
                read_past(s, packed, rings, 0, begin + k, layer, delayed, k * past)
                keep_input(s, packed, rings, 0, begin + k, layer, h, k * s.channels_padded)
            layer_product(s, matrices, at_layer, layer, many, delayed, h, sums)
            if layer + 1 == s.layers:
                continue
            for k in range(many):
                gate(sums, k * s.gates, k * s.gates + s.half_padded, gated, k * s.half, s.half)
            add_residual(s, matrices, at_layer, packed.residual, layer, many, gated, h)


@kernel
def project(x, stride, rows, inputs, matrices, at, bias, rectify):
    """Compute rows of x @ W + bias, optionally with ReLU; row r of x begins at r · stride, W at position `at`."""
    columns = len(bias)
    y = np.empty(rows * columns, np.float32)
    for r in range(rows):
        copy(bias, 0, y, r * columns, columns)
    matmul(x, 0, stride, rows, matrices, at, inputs, columns, y, columns)
    if rectify:
        relu(y, 0, y, 0, len(y))
    return y.reshape(rows, columns)
