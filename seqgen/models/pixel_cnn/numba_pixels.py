"""The part of a PixelCNN that is computed for every pixel and colour: horizontal stack, output and draw.

All lanes of a thread process a row together, so that they share the weights of every product. The features of a layer
are kept for the columns that its kernel reaches, in a ring buffer that is stored twice, one copy after the other, so
that its window is always contiguous.
Legend: M lanes, C colours, W columns, F channels, G = F / C.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.image.numba_lanes import PixelState, RowArrays
from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.draw import DrawScratch, draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.loops import add, copy, gate, relu
from seqgen.kernels.random import uniform
from seqgen.kernels.softmax import exp
from seqgen.kernels.vector import matmul
from seqgen.models.pixel_cnn.numba_packing import HORIZONTAL, Packed, Sizes
from seqgen.models.pixel_cnn.numba_rows import Cache, begin_row, row_scratch
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)
_ZERO = np.float32(0.0)


class PixelScratch(NamedTuple):
    """Scratch memory for one row of M lanes; flat float32 arrays of the given sizes.

    Attributes:
        sums: (M, W, layers, C across), initial values of the horizontal sums.
        line: (M, first_side + W, C), the row of the image as input of the network.
        columns: (M, layers - 1, 2 (side + 1), F), the horizontal features.
        across: (M, across), gated: (M, layers, F), mixed: (M, mixed), skipped: (M, F), hidden: (M, hidden),
            head: (M, head), logits: (M, logits): of the current pixel.
        draw: for the draws of L levels.
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
    draw: DrawScratch


def pixel_widths(s):
    """Return how many numbers a lane has in each field of `PixelScratch` except the last."""
    return (
        s.columns * s.layers * s.colours * s.across,
        (s.first_side + s.columns) * s.colours,
        (s.layers - 1) * 2 * (s.side + 1) * s.channels,
        s.across, s.layers * s.channels, s.mixed, s.channels, s.hidden, s.head, s.logits,
    )  # fmt: skip


_pixel_widths = inline(pixel_widths)


@inline
def pixel_scratch(s, memory, lanes):
    """Return one block of memory as the `PixelScratch` of `lanes` lanes."""
    widths = _pixel_widths(s)
    ends = np.empty(len(widths) + 1, np.int64)
    ends[0] = 0
    for k in range(len(widths)):
        ends[k + 1] = ends[k] + lanes * widths[k]
    return PixelScratch(
        memory[: ends[1]], memory[ends[1] : ends[2]], memory[ends[2] : ends[3]], memory[ends[3] : ends[4]],
        memory[ends[4] : ends[5]], memory[ends[5] : ends[6]], memory[ends[6] : ends[7]], memory[ends[7] : ends[8]],
        memory[ends[8] : ends[9]], memory[ends[9] : ends[10]], draw_scratch(s.levels),
    )  # fmt: skip


@kernel
def advance(model, memory, lanes, counts, noise, pixels, cache, controls, out):
    """Draw `counts[m]` rows of lane `lanes[m]`; `out.made[lane]` is set to the number of rows drawn.

    Args:
        model: `Sizes` and `Packed`. memory: of `RowScratch` and of `PixelScratch`.
        noise: the seed, and an offset of the positions of random numbers.
        pixels, cache, controls, out: `PixelState`, `Cache`, `LaneControlArrays` and `RowArrays`. All are plain tuples.
    """
    s, packed = Sizes(*model[0]), Packed(*model[1])
    for_rows, scratch = row_scratch(s, memory[0]), pixel_scratch(s, memory[1], len(lanes))
    pixels, cache = PixelState(*pixels), Cache(*cache)
    controls, out = LaneControlArrays(*controls), RowArrays(*out)
    rings = cache.rows.reshape(-1)
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
            if out.made[lane] < n or counts[m] <= n:
                continue
            row = pixels.row[lane] + n
            needed = _any_unknown(s, pixels.known, lane, row)
            begin_row(s, packed, for_rows, lane, row, pixels, cache, scratch.sums, many * width, needed)
            out.made[lane] = n + 1
            if needed or s.gated == 0:
                acting[many] = lane
                possible[many] = True
                many += 1
        if many > 0:
            _draw_row(s, packed, scratch, noise, acting[:many], possible, n, pixels, rings, controls, out)
        for m in range(many):
            if not possible[m]:
                out.made[acting[m]] = n


@inline
def _any_unknown(s, known, lane, h):
    """Return whether a pixel of a row has to be drawn."""
    for c in range(s.colours):
        for w in range(s.columns):
            if not known[lane, c, h, w]:
                return True
    return False


@inline
def _draw_row(s, packed, scratch, noise, lanes, possible, n, pixels, rings, controls, out):
    """Draw row n of a step in lanes whose sums are ready; set `possible` to false where nothing can be drawn."""
    many, known = len(lanes), pixels.known
    line = (s.first_side + s.columns) * s.colours
    columns = (s.layers - 1) * 2 * (s.side + 1) * s.channels
    wanted = out.log_probs.shape[2] > 0
    for j in range(many * line):
        scratch.line[j] = _ZERO
    for j in range(many * columns):
        scratch.columns[j] = _ZERO
    for w in range(s.columns):
        for c in range(s.colours):
            _horizontal(s, packed, scratch, many, w, c)
            if s.gated == 0 and s.side > 0 and s.layers > 1:
                _keep_pixel(s, scratch, lanes, pixels.row, n, w, c, rings)
            # a colour's output reads the hidden layer of the colours before it, whether they are known or not
            needed = False
            for m in range(many):
                for later in range(c, s.colours):
                    needed = needed or not known[lanes[m], later, pixels.row[lanes[m]] + n, w]
            if needed:
                _output(s, packed, scratch, many, c)
            for m in range(many):
                lane = lanes[m]
                h = pixels.row[lane] + n
                if not known[lane, c, h, w]:
                    position = noise[1] + np.uint64((h * s.columns + w) * s.colours + c)
                    u = uniform(noise[0], pixels.index[lane], position, _TOKEN)
                    level, log_prob, log_prob_drawn = _draw_level(s, scratch, m, controls, lane, u, wanted)
                    if level < 0:
                        possible[m] = False
                        level = 0
                    pixels.image[lane, c, h, w] = level
                    if wanted:
                        out.log_probs[0, lane, n, c, w] = log_prob
                        out.log_probs[1, lane, n, c, w] = log_prob_drawn
                scale = packed.scale[pixels.image[lane, c, h, w]]
                scratch.line[m * line + (s.first_side + w) * s.colours + c] = scale


@inline
def _horizontal(s, packed, scratch, many, w, c):
    """Compute the horizontal stack of one column and colour, up to the skip outputs of all layers in `mixed`."""
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
            target = m * s.mixed + s.group_padded
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
                source, target = m * s.mixed + s.group_padded, m * stride + above
                copy(scratch.mixed, source, scratch.columns, target + now, s.group)
                copy(scratch.mixed, source, scratch.columns, target + again, s.group)


@inline
def _activate(s, scratch, sums, at):
    """Apply the gate, or ReLU, of one layer to a lane's pixel."""
    if s.gated == 1:
        gate(scratch.across, sums, sums + s.group_padded, scratch.gated, at, s.group)
    else:
        relu(scratch.across, sums, scratch.gated, at, s.group)


@inline
def _keep_pixel(s, scratch, lanes, row, n, w, c, rings):
    """Store the features of a plain network's pixel in the ring buffer of rows, for the rows below."""
    taps = s.side + 1
    stride = (s.layers - 1) * 2 * taps * s.channels
    size = (s.columns + 2 * s.side) * s.channels
    ring = s.side * size * (s.layers - 1)
    for m in range(len(lanes)):
        slot = (row[lanes[m]] + n) % s.side
        for k in range(s.layers - 1):
            source = m * stride + (k * 2 * taps + w % taps) * s.channels + c * s.group
            target = lanes[m] * ring + (k * s.side + slot) * size + (w + s.side) * s.channels + c * s.group
            copy(scratch.columns, source, rings, target, s.group)


@inline
def _output(s, packed, scratch, many, c):
    """Compute the logits of one colour from the skip outputs."""
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
def _draw_level(s, scratch, m, controls, lane, u, log_probs):
    """Draw a level from the logits of the m-th lane; return it with its two log-probabilities."""
    at = m * s.logits
    if s.levels == 2 and not controls.reshapes[lane] and not log_probs:
        # the result of `draw` without its arrays: the larger of the two has weight one
        difference = np.float64(scratch.logits[at + 1]) - np.float64(scratch.logits[at])
        first = 1.0 if difference <= 0.0 else exp(-difference)
        second = exp(difference) if difference <= 0.0 else 1.0
        return 0 if first > u * (first + second) else 1, 0.0, 0.0
    for v in range(s.levels):
        scratch.draw.logits[v] = scratch.logits[at + v]
    return draw(scratch.draw, controls, lane, u, log_probs)
