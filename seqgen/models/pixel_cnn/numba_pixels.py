"""What a PixelCNN computes for every pixel and colour: the horizontal stack, the output and the draw.

All lanes of a thread go through a row together, so that they share the weights of every product. The features of a
layer are kept for the columns that its kernel reaches, in a ring that is written twice, one copy behind the other:
its window is always one piece. Legend: M lanes, C colours, W columns, F channels, G = F / C.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.draw import draw
from seqgen.kernels.loops import add, copy, gate, relu
from seqgen.kernels.random import uniform
from seqgen.kernels.vector import matmul
from seqgen.models.pixel_cnn.numba_packing import HORIZONTAL, Packed, Sizes
from seqgen.models.pixel_cnn.numba_rows import begin_row, row_scratch
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)
_ZERO = np.float32(0.0)


class PixelScratch(NamedTuple):
    """Memory for one row of M lanes; flat arrays, float32 but for the last three, of the sizes that are given here.

    Attributes:
        sums: (M, W, layers, C across), where the horizontal sums begin.
        line: (M, first_side + W, C), the row of the image as the network reads it.
        columns: (M, layers - 1, 2 (side + 1), F), the horizontal features.
        across: (M, across), gated: (M, layers, F), mixed: (M, mixed), skipped: (M, F), hidden: (M, hidden),
            head: (M, head), logits: (M, logits): of the pixel at hand.
        values: (L,) float64, order: (L,) int64, work: (2, L) float64: for the draw.
    """

    sums: np.ndarray
    line: np.ndarray
    columns: np.ndarray
    across: np.ndarray
    gated: np.ndarray
    mixed: np.ndarray
    skipped: np.ndarray
    hidden: np.ndarray
    head: np.ndarray
    logits: np.ndarray
    values: np.ndarray
    order: np.ndarray
    work: np.ndarray


def pixel_widths(s):
    """How many numbers a lane has in each field of `PixelScratch` that is in float32."""
    return (
        s.columns * s.layers * s.colours * s.across,
        (s.first_side + s.columns) * s.colours,
        (s.layers - 1) * 2 * (s.side + 1) * s.channels,
        s.across, s.layers * s.channels, s.mixed, s.channels, s.hidden, s.head, s.logits,
    )  # fmt: skip


_pixel_widths = inline(pixel_widths)


@inline
def pixel_scratch(s, memory, lanes):
    """One piece of memory as the `PixelScratch` of so many lanes."""
    widths = _pixel_widths(s)
    ends = np.empty(len(widths) + 1, np.int64)
    ends[0] = 0
    for k in range(len(widths)):
        ends[k + 1] = ends[k] + lanes * widths[k]
    return PixelScratch(
        memory[: ends[1]], memory[ends[1] : ends[2]], memory[ends[2] : ends[3]], memory[ends[3] : ends[4]],
        memory[ends[4] : ends[5]], memory[ends[5] : ends[6]], memory[ends[6] : ends[7]], memory[ends[7] : ends[8]],
        memory[ends[8] : ends[9]], memory[ends[9] : ends[10]],
        np.empty(s.levels, np.float64), np.empty(s.levels, np.int64), np.empty((2, s.levels), np.float64),
    )  # fmt: skip


@kernel
def advance(
    sizes, packed_weights, row_memory, pixel_memory, seed, offset, lanes, counts, image, known, row, index, features,
    guide, rows, reshapes, parameters, allowed, seen, log_probs, made,
):  # fmt: skip
    """Draw `counts[m]` rows of lane `lanes[m]`; `made[lane]` says how many could be drawn.

    `sizes` and `packed_weights` are `Sizes` and `Packed` as plain tuples, which Numba takes much faster from Python;
    `row_memory` and `pixel_memory` are for `RowScratch` and `PixelScratch`, `offset` is added to the noise positions;
    the other arguments are those of `PixelCNNEngine`.
    """
    s, packed = Sizes(*sizes), Packed(*packed_weights)
    for_rows, scratch = row_scratch(s, row_memory), pixel_scratch(s, pixel_memory, len(lanes))
    ring = s.side * (s.columns + 2 * s.side) * s.channels * (s.layers - 1)
    width = s.columns * s.layers * s.colours * s.across
    acting = np.empty(len(lanes), np.int64)
    possible = np.ones(len(lanes), np.bool_)
    longest = 0
    for m in range(len(lanes)):
        longest = max(longest, counts[m])
    for n in range(longest):
        many = 0
        for m in range(len(lanes)):
            lane = lanes[m]
            if made[lane] < n or counts[m] <= n:
                continue
            needed = _any_unknown(s, known, lane, row[lane] + n)
            begin_row(
                s, packed, for_rows, image[lane], row[lane] + n, features[lane], guide[lane], rows, lane * ring,
                scratch.sums, many * width, needed,
            )  # fmt: skip
            made[lane] = n + 1
            if needed or s.gated == 0:
                acting[many] = lane
                possible[many] = True
                many += 1
        if many > 0:
            _draw_row(
                s, packed, scratch, seed, offset, acting[:many], possible, n, image, known, row, index, rows, ring,
                reshapes, parameters, allowed, seen, log_probs,
            )  # fmt: skip
        for m in range(many):
            if not possible[m]:
                made[acting[m]] = n


@inline
def _any_unknown(s, known, lane, h):
    """Whether a pixel of a row is to be drawn."""
    for c in range(s.colours):
        for w in range(s.columns):
            if not known[lane, c, h, w]:
                return True
    return False


@inline
def _draw_row(
    s, packed, scratch, seed, offset, lanes, possible, n, image, known, row, index, rows, ring, reshapes, parameters,
    allowed, seen, log_probs,
):  # fmt: skip
    """Draw row n from where the lanes stand, whose sums are ready."""
    many = len(lanes)
    line = (s.first_side + s.columns) * s.colours
    columns = (s.layers - 1) * 2 * (s.side + 1) * s.channels
    for j in range(many * line):
        scratch.line[j] = _ZERO
    for j in range(many * columns):
        scratch.columns[j] = _ZERO
    for w in range(s.columns):
        for c in range(s.colours):
            _horizontal(s, packed, scratch, many, w, c)
            if s.gated == 0 and s.side > 0 and s.layers > 1:
                _keep_pixel(s, scratch, lanes, row, n, w, c, rows, ring)
            # a colour's output reads the hidden layer of the colours before it, known or not
            wanted = False
            for m in range(many):
                for later in range(c, s.colours):
                    wanted = wanted or not known[lanes[m], later, row[lanes[m]] + n, w]
            if wanted:
                _output(s, packed, scratch, many, c)
            for m in range(many):
                lane = lanes[m]
                h = row[lane] + n
                if not known[lane, c, h, w]:
                    position = offset + np.uint64((h * s.columns + w) * s.colours + c)
                    u = uniform(seed, index[lane], position, _TOKEN)
                    level, log_prob, log_prob_drawn = _draw_level(
                        s, scratch, m, reshapes[lane], parameters[lane], allowed[lane], seen[lane], u,
                        log_probs.shape[2] > 0,
                    )  # fmt: skip
                    if level < 0:
                        possible[m] = False
                        level = 0
                    image[lane, c, h, w] = level
                    if log_probs.shape[2] > 0:
                        log_probs[0, lane, n, c, w] = log_prob
                        log_probs[1, lane, n, c, w] = log_prob_drawn
                scratch.line[m * line + (s.first_side + w) * s.colours + c] = packed.scale[
                    image[lane, c, h, w]
                ]


@inline
def _horizontal(s, packed, scratch, many, w, c):
    """The horizontal stack of one column and colour, up to the skip outputs of all layers in `mixed`."""
    width = s.colours * s.across
    line = (s.first_side + s.columns) * s.colours
    taps = s.side + 1
    stride = (s.layers - 1) * 2 * taps * s.channels
    here = c * s.group
    now, again = (w % taps) * s.channels + here, (w % taps + taps) * s.channels + here
    for m in range(many):
        copy(packed.skip, here, scratch.mixed, m * s.mixed, s.group)
    for k in range(s.layers):
        for m in range(many):
            begin = ((m * s.columns + w) * s.layers + k) * width + c * s.across
            copy(scratch.sums, begin, scratch.across, m * s.across, s.across)
        below = (k - 1) * 2 * taps * s.channels
        if k == 0:
            matmul(
                scratch.line, w * s.colours, line, many, packed.matrices, packed.at[k, HORIZONTAL + 2 * c],
                s.first_side * s.colours + c, s.across, scratch.across, s.across,
            )  # fmt: skip
        else:
            matmul(
                scratch.columns, below + (w % taps + 1) * s.channels, stride, many, packed.matrices,
                packed.at[k, HORIZONTAL + 2 * c], s.side * s.channels + here + s.group, s.across, scratch.across,
                s.across,
            )  # fmt: skip
        for m in range(many):
            _activate(s, scratch, m * s.across, (m * s.layers + k) * s.channels + here)
        last = k + 1 == s.layers
        for m in range(many):
            target = m * s.mixed + s.group_wide
            copy(packed.residual, k * s.channels + here, scratch.mixed, target, s.group)
            if k > 0:
                add(scratch.columns, m * stride + below + now, scratch.mixed, target, s.group)
        matmul(
            scratch.gated, k * s.channels, s.layers * s.channels, many, packed.matrices,
            packed.at[k, HORIZONTAL + 2 * c + 1], here + s.group, s.last_mixed if last else s.mixed, scratch.mixed,
            s.mixed,
        )  # fmt: skip
        if not last:
            above = k * 2 * taps * s.channels
            for m in range(many):
                source, target = m * s.mixed + s.group_wide, m * stride + above
                copy(scratch.mixed, source, scratch.columns, target + now, s.group)
                copy(scratch.mixed, source, scratch.columns, target + again, s.group)


@inline
def _activate(s, scratch, sums, at):
    """The gate, or ReLU, of one layer of a lane's pixel."""
    if s.gated == 1:
        gate(scratch.across, sums, sums + s.group_wide, scratch.gated, at, s.group)
    else:
        relu(scratch.across, sums, scratch.gated, at, s.group)


@inline
def _keep_pixel(s, scratch, lanes, row, n, w, c, rows, ring):
    """Put the features of a plain network's pixel in the ring of rows, for the rows below."""
    taps = s.side + 1
    stride = (s.layers - 1) * 2 * taps * s.channels
    size = (s.columns + 2 * s.side) * s.channels
    for m in range(len(lanes)):
        slot = (row[lanes[m]] + n) % s.side
        for k in range(s.layers - 1):
            source = m * stride + (k * 2 * taps + w % taps) * s.channels + c * s.group
            target = lanes[m] * ring + (k * s.side + slot) * size + (w + s.side) * s.channels + c * s.group
            copy(scratch.columns, source, rows, target, s.group)


@inline
def _output(s, packed, scratch, many, c):
    """The logits of one colour from the skip outputs."""
    share = s.head // s.colours
    for m in range(many):
        relu(scratch.mixed, m * s.mixed, scratch.skipped, m * s.channels + c * s.group, s.group)
        copy(packed.hidden, c * share, scratch.hidden, m * s.hidden, share)
    matmul(
        scratch.skipped, 0, s.channels, many, packed.matrices, packed.head_at[1 + 2 * c], (c + 1) * s.group, s.hidden,
        scratch.hidden, s.hidden,
    )  # fmt: skip
    for m in range(many):
        relu(scratch.hidden, m * s.hidden, scratch.head, m * s.head + c * share, share)
        copy(packed.output, c * s.levels, scratch.logits, m * s.logits, s.levels)
    matmul(
        scratch.head, 0, s.head, many, packed.matrices, packed.head_at[2 + 2 * c], (c + 1) * share, s.logits,
        scratch.logits, s.logits,
    )  # fmt: skip


@inline
def _draw_level(s, scratch, m, reshapes, parameters, allowed, seen, u, log_probs):
    """A level from the logits of a lane, with its two log-probabilities."""
    at = m * s.logits
    if s.levels == 2 and not reshapes and not log_probs:
        # what `draw` computes, without its arrays: the larger of the two has the weight one
        difference = np.float64(scratch.logits[at + 1]) - np.float64(scratch.logits[at])
        first = 1.0 if difference <= 0.0 else math.exp(-difference)
        second = math.exp(difference) if difference <= 0.0 else 1.0
        return 0 if first > u * (first + second) else 1, 0.0, 0.0
    for v in range(s.levels):
        scratch.values[v] = scratch.logits[at + v]
    return draw(
        scratch.values, reshapes, parameters, allowed, seen, scratch.order, scratch.work, u, log_probs
    )
