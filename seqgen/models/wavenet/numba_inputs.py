"""The inputs of a layer of the fused WaveNet: previous samples, ring buffers, biases and conditions.

Every layer's inputs of the last (k - 1) d steps are in a ring buffer of a power of two rows, which is never shifted:
the row of step t is t modulo its size. A row is read by the step that overwrites it.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.loops import add, copy

_ZERO = np.float32(0.0)


class Cache(NamedTuple):
    """The state of the lanes besides `SoundState`.

    Attributes:
        rings: (B, ring) float32, the last inputs of every layer.
        base: (B, Z) float32, gate biases and the contribution of the global condition.
    """

    rings: np.ndarray
    base: np.ndarray


@inline
def begin_gates(s, packed, base, frames, at, within, layer, target, target_at):
    """Write biases and conditions of a layer's gates at one step, which is sample `within` of a frame of the features.

    Args:
        base: (Z,), of the lane. frames: flat, empty if there are no features; the frame's columns begin at `at`.
    """
    first = layer * s.gates
    if len(frames) == 0:
        copy(base, first, target, target_at, s.gates)
        return
    one, other = packed.upsample[0, within], packed.upsample[1, within]
    here = at + first
    # with the nearest frame, the next one is not read, because it may not exist
    after = here + s.layers * s.gates if other != _ZERO else here
    for j in range(s.gates):
        mixed = one * frames[np.uintp(here + j)] + other * frames[np.uintp(after + j)]
        target[np.uintp(target_at + j)] = base[np.uintp(first + j)] + mixed


@inline
def read_past(s, packed, rings, at, clock, layer, target, target_at):
    """Read the inputs of a layer (k - 1) d, …, d steps before `clock`, the oldest first.

    Args:
        rings: flat; the lane's begin at `at`.
    """
    begin, mask, dilation = packed.ring_at[layer], packed.ring_mask[layer], packed.dilations[layer]
    for j in range(s.taps - 1):
        row = (clock - (s.taps - 1 - j) * dilation) & mask
        copy(rings, at + begin + row * s.channels, target, target_at + j * s.channels, s.channels)


@inline
def keep_input(s, packed, rings, at, clock, layer, source, source_at):
    """Write the input of a layer at `clock` to its ring buffer."""
    row = clock & packed.ring_mask[layer]
    copy(source, source_at, rings, at + packed.ring_at[layer] + row * s.channels, s.channels)


@inline
def read_inputs(s, packed, inputs, target, target_at):
    """Compute the causal convolution over the last inputs (k,), the newest first."""
    copy(packed.input_bias, 0, target, target_at, s.channels)
    for j in range(s.taps):
        value = inputs[j]
        if s.kind == 0:
            if value >= 0:
                add(packed.input[j, int(value)], 0, target, target_at, s.channels)
        else:
            scale, row = np.float32(value), packed.input[j, 0]
            for i in range(s.channels):
                target[np.uintp(target_at + i)] += scale * row[i]
