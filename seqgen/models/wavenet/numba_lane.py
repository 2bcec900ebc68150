"""One lane of the fused WaveNet sampler, on one or two cores: a leader computes the layers, an assistant helps.

A layer of dilation d reads inputs that are at least d steps old. Where d >= T = 4, its products with them are computed
for T steps at once, which reads the weights once instead of T times.

Each layer depends on the one before. The skip products, which are as much work, are not part of this chain: the
assistant computes each as soon as the gates of its layer are stored; then both sides compute half of the columns of the
two matrices of the head. Every sum is the same chain of additions as in `numba_kernel.advance`, whichever side computes
it, so the bits are the same. If the assistant is late, because other work occupies its core, the leader continues
alone, and accepts it again when it is ready.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from seqgen.audio.numba_lanes import Local, SoundState
from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.draw import draw_scratch
from seqgen.kernels.lanes import LaneControlArrays, StepArrays
from seqgen.kernels.loops import copy, gate, relu
from seqgen.kernels.padding import BLOCK
from seqgen.kernels.signals import load_acquire, reached, reached_while, read, signals, store_release, write
from seqgen.kernels.vector import matmul, matvec
from seqgen.models.wavenet.numba_draw import draw_next
from seqgen.models.wavenet.numba_inputs import Cache, begin_gates, keep_input, read_inputs, read_past
from seqgen.models.wavenet.numba_packing import HIDDEN, OUTPUT, PAST, PRESENT, RESIDUAL, SKIP, Packed, Sizes

_AHEAD = 4
# the signals: the rounds for which the assistant is ready and is accepted, the leader's progress in this round, the
# assistant's total progress, and the round; a new round begins after the assistant was late, and -1 - rounds is the end
READY, WANTED, LED, ASSISTED, ROUND = 0, 1, 2, 3, 4
SIGNALS = 5
MOST_ROUNDS = 8
_PATIENCE = 3000  # reads, of about 25 ns


def dismiss(numbers: np.ndarray) -> None:
    """Make the assistant end, whatever the state of its leader."""
    write(numbers, ROUND, min(read(numbers, ROUND), -1))


class Shared(NamedTuple):
    """The arrays that a leader and its assistant share.

    Attributes:
        gated: (L · half,), skipped, hidden: (padded skip,), logits: (padded outputs,) float32.
        numbers: their signals, initially 0.
    """

    gated: np.ndarray
    skipped: np.ndarray
    hidden: np.ndarray
    logits: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, s: Sizes) -> Self:
        """Allocate the arrays of a pair."""
        return cls(
            gated=np.zeros(s.layers * s.half, np.float32),
            skipped=np.zeros(s.skip_padded, np.float32),
            hidden=np.zeros(s.skip_padded, np.float32),
            logits=np.zeros(s.outputs_padded, np.float32),
            numbers=signals(SIGNALS),
        )


@kernel
def lead(model, lane, count, seed, sound, cache, local, controls, out, shared):
    """Draw `count` samples of a lane; return 0, `NOTHING_TO_DRAW` or `NOT_FINITE`.

    The arguments are those of `advance`, and `Shared`. Without an assistant, the leader computes everything.
    """
    s, packed, shared = Sizes(*model[0]), Packed(*model[1]), Shared(*shared)
    sound, cache, local = SoundState(*sound), Cache(*cache), Local(*local)
    controls, out = LaneControlArrays(*controls), StepArrays(*out)
    gated, numbers = shared.gated, shared.numbers
    base, rings, history = cache.base[lane], cache.rings[lane], sound.history[lane]
    clock, position = sound.clock[lane], sound.position[lane]
    # of the features, the lane's own frames
    hop, frame_size, frames = max(s.hop, 1), s.layers * s.gates, local.frames.reshape(-1)
    frames_at = (lane * local.frames.shape[1] - local.first[lane]) * frame_size
    width = (s.taps - 1) * s.channels
    delayed = np.zeros(_AHEAD * width, np.float32)
    waiting = np.zeros(s.layers * _AHEAD * s.gates, np.float32)
    sums = np.zeros(s.gates, np.float32)
    h = np.zeros(s.channels_padded, np.float32)
    own_skipped, own_hidden = np.zeros(s.skip_padded, np.float32), np.zeros(s.skip_padded, np.float32)
    own_logits = np.zeros(s.outputs_padded, np.float32)
    scratch = draw_scratch(s.outputs)
    matrices = packed.matrices
    together, joined, settled, rounds = False, 0, 0, 0
    for begin in range(0, count, _AHEAD):
        ahead = min(_AHEAD, count - begin)
        for layer in range(s.layers):
            if packed.dilations[layer] < _AHEAD:
                continue
            own = waiting[layer * _AHEAD * s.gates : (layer + 1) * _AHEAD * s.gates]
            for k in range(ahead):
                place = position + begin + k
                at = frames_at + place // hop * frame_size
                begin_gates(s, packed, base, frames, at, place % hop, layer, own, k * s.gates)
                read_past(s, packed, rings, 0, clock + begin + k, layer, delayed, k * width)
            matmul(delayed, 0, width, _AHEAD, matrices, packed.at[layer, PAST], width, s.gates, own, s.gates)
        for k in range(ahead):
            t = begin + k
            if not together and rounds < MOST_ROUNDS and load_acquire(numbers, READY) == rounds + 1:
                together, joined, settled = True, t, load_acquire(numbers, ASSISTED)
                store_release(numbers, LED, 0)
                store_release(numbers, WANTED, rounds + 1)
            led = (t - joined) * (s.layers + 1)
            read_inputs(s, packed, history, h, 0)
            for layer in range(s.layers):
                if packed.dilations[layer] >= _AHEAD:
                    copy(waiting, (layer * _AHEAD + k) * s.gates, sums, 0, s.gates)
                else:
                    place = position + t
                    at = frames_at + place // hop * frame_size
                    begin_gates(s, packed, base, frames, at, place % hop, layer, sums, 0)
                    read_past(s, packed, rings, 0, clock + t, layer, delayed, 0)
                    matvec(delayed, 0, matrices, packed.at[layer, PAST], width, s.gates, sums)
                matvec(h, 0, matrices, packed.at[layer, PRESENT], s.channels, s.gates, sums)
                keep_input(s, packed, rings, 0, clock + t, layer, h, 0)
                gate(sums, 0, s.half_padded, gated, layer * s.half, s.half)
                if together:
                    store_release(numbers, LED, led + layer + 1)
                if layer + 1 < s.layers:
                    for i in range(s.channels):
                        h[i] += packed.residual[layer, i]
                    residual_at = packed.at[layer, RESIDUAL]
                    matvec(gated, layer * s.half, matrices, residual_at, s.half, s.channels_padded, h)
            if together:
                assisted = settled + 3 * (t - joined)
                led += s.layers
                together = _share_head(s, packed, shared, own_logits, led, assisted)
                if not together:
                    rounds += 1
                    store_release(numbers, ROUND, rounds)
            if not together:
                _make_head(s, packed, gated, own_skipped, own_hidden, own_logits)
            for v in range(s.outputs):
                scratch.logits[v] = own_logits[v]
            code = draw_next(s, scratch, seed, lane, t, sound, controls, out)
            if code != 0:
                store_release(numbers, ROUND, -1 - rounds)
                return code
    store_release(numbers, ROUND, -1 - rounds)
    return 0


@inline
def _make_head(s, packed, gated, skipped, hidden, logits):
    """Compute the raw outputs from the gates of all layers."""
    copy(packed.skip, 0, skipped, 0, s.skip_padded)
    copy(packed.hidden, 0, hidden, 0, s.skip_padded)
    copy(packed.output, 0, logits, 0, s.outputs_padded)
    for layer in range(s.layers):
        matvec(gated, layer * s.half, packed.matrices, packed.at[layer, SKIP], s.half, s.skip_padded, skipped)
    relu(skipped, 0, skipped, 0, s.skip_padded)
    matvec(skipped, 0, packed.matrices, packed.head_at[HIDDEN], s.skip, s.skip_padded, hidden)
    relu(hidden, 0, hidden, 0, s.skip_padded)
    matvec(hidden, 0, packed.matrices, packed.head_at[OUTPUT], s.skip, s.outputs_padded, logits)


@inline
def _share_head(s, packed, shared, logits, led, assisted):
    """Compute the leader's part of the head, the first columns; return false if the assistant is late with the rest."""
    skipped, hidden, numbers = shared.skipped, shared.hidden, shared.numbers
    hidden_cut, logits_cut = _cut(s.skip_padded), _cut(s.outputs_padded)
    if not reached(numbers, ASSISTED, assisted + 1, _PATIENCE):
        return False
    copy(packed.hidden, 0, hidden, 0, hidden_cut)
    matvec(skipped, 0, packed.matrices, packed.head_at[HIDDEN], s.skip, hidden_cut, hidden)
    relu(hidden, 0, hidden, 0, hidden_cut)
    store_release(numbers, LED, led + 1)
    if not reached(numbers, ASSISTED, assisted + 2, _PATIENCE):
        return False
    copy(packed.output, 0, logits, 0, logits_cut)
    matvec(hidden, 0, packed.matrices, packed.head_at[OUTPUT], s.skip, logits_cut, logits)
    if not reached(numbers, ASSISTED, assisted + 3, _PATIENCE):
        return False
    copy(shared.logits, logits_cut, logits, logits_cut, s.outputs_padded - logits_cut)
    return True


@inline
def _cut(columns):
    """Return the first column of the assistant's part."""
    return columns // BLOCK // 2 * BLOCK


@kernel
def assist(model, shared):
    """Assist `lead`, with which the arrays are shared, until it ends."""
    s, packed, shared = Sizes(*model[0]), Packed(*model[1]), Shared(*shared)
    numbers = shared.numbers
    turn = load_acquire(numbers, ROUND)
    while turn >= 0:
        store_release(numbers, READY, turn + 1)
        if reached_while(numbers, WANTED, turn + 1, ROUND, turn):
            _follow(s, packed, shared, turn)
        turn = load_acquire(numbers, ROUND)


@inline
def _follow(s, packed, shared, turn):
    """Compute the assistant's part of successive samples, until the round ends."""
    gated, skipped, hidden, logits, numbers = shared
    hidden_cut, logits_cut = _cut(s.skip_padded), _cut(s.outputs_padded)
    hidden_rest, logits_rest = s.skip_padded - hidden_cut, s.outputs_padded - logits_cut
    own_hidden, own_logits = hidden[hidden_cut:], logits[logits_cut:]
    led, assisted = 0, load_acquire(numbers, ASSISTED)
    while True:
        copy(packed.skip, 0, skipped, 0, s.skip_padded)
        for layer in range(s.layers):
            led += 1
            if not reached_while(numbers, LED, led, ROUND, turn):
                return
            matvec(
                gated, layer * s.half, packed.matrices, packed.at[layer, SKIP], s.half, s.skip_padded, skipped
            )
        relu(skipped, 0, skipped, 0, s.skip_padded)
        store_release(numbers, ASSISTED, assisted + 1)
        copy(packed.hidden, hidden_cut, own_hidden, 0, hidden_rest)
        begin = packed.head_at[HIDDEN] + hidden_cut * s.skip
        matvec(skipped, 0, packed.matrices, begin, s.skip, hidden_rest, own_hidden)
        relu(own_hidden, 0, own_hidden, 0, hidden_rest)
        store_release(numbers, ASSISTED, assisted + 2)
        led += 1
        if not reached_while(numbers, LED, led, ROUND, turn):
            return
        copy(packed.output, logits_cut, own_logits, 0, logits_rest)
        begin = packed.head_at[OUTPUT] + logits_cut * s.skip
        matvec(hidden, 0, packed.matrices, begin, s.skip, logits_rest, own_logits)
        assisted += 3
        store_release(numbers, ASSISTED, assisted)
