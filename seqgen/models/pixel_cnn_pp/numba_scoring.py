"""The log-probabilities of drawn rows of PixelCNN++, from its network in float64.

A narrow component magnifies the rounding of its mean: by 1097 at the lowest scale, e^-7. Samples are therefore drawn
from the network in float32, which is fast, but scored by the network in float64, as `PixelCNNpp.log_prob` is. The
functions are those of the sampler, compiled for float64.
Legend: M lanes of a thread, C colours, W columns.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.image.numba_lanes import PixelState, RowArrays
from seqgen.kernels.compile import inline, kernel
from seqgen.models.pixel_cnn_pp.numba_layers import (
    head,
    one_pixel,
    read_left,
    read_rows,
    row_above,
    scratch_for,
    vertical_row,
)
from seqgen.models.pixel_cnn_pp.numba_logistics import (
    begin_colour,
    begin_pixel,
    learn,
    log_prob_of,
    mixture_of,
)
from seqgen.models.pixel_cnn_pp.numba_packing import Packed
from seqgen.models.pixel_cnn_pp.numba_parts import pad


@kernel
def score(packed, lanes, count, pixels, kept, shifts, reshapes, out):
    """Score the rows of `lanes`, all at the same row, that were drawn in a step of `count` rows.

    Args:
        packed: `Packed`, in float64. pixels, out: `PixelState` and `RowArrays`.
        kept, shifts: (B, kept) and (B, blocks · 2F) float64, the lanes' state of this network.
        reshapes: (B,) bool, whether controls change the distribution; otherwise the log-probability as drawn is that
            under the model.
    """
    p, pixels, out = Packed(*packed), PixelState(*pixels), RowArrays(*out)
    many, columns = len(lanes), p.columns
    scratch = scratch_for(p, many)
    for m in range(many):
        for j in range(p.kept):
            scratch.own[m * p.kept + j] = kept[lanes[m], j]
    raw = np.empty(many * pad(p.outputs), p.biases.dtype)
    mixture = mixture_of(p.levels, p.mixtures)
    first = pixels.row[lanes[0]]
    for n in range(count):
        for m in range(many):
            read_rows(pixels.image[lanes[m]], first + n, p.levels, scratch.pixels)
            vertical_row(p, scratch, first + n, m, shifts[lanes[m]])
            row_above(p, scratch, first + n, m, shifts[lanes[m]])
        for column in range(columns):
            unknown = read_left(p, scratch.left, pixels, lanes, first + n, column)
            one_pixel(p, scratch, first + n, column, many)
            if not unknown:
                continue
            head(p, scratch, many, raw)
            for m in range(many):
                if n < out.made[lanes[m]]:
                    _score_pixel(p, mixture, raw, m, lanes[m], pixels, reshapes, out, n, first + n, column)
    for m in range(many):
        for j in range(p.kept):
            kept[lanes[m], j] = scratch.own[m * p.kept + j]


@inline
def _score_pixel(p, mixture, raw, m, lane, pixels, reshapes, out, n, row, column):
    at = m * pad(p.outputs)
    begin_pixel(mixture, raw, at)
    drawn = pixels.image[lane, :, row, column]
    for colour in range(len(drawn)):
        begin_colour(mixture, raw, at, colour, drawn)
        level = np.int64(drawn[colour])
        if not pixels.known[lane, colour, row, column]:
            out.log_probs[0, lane, n, colour, column] = log_prob_of(mixture, level)
            if not reshapes[lane]:
                out.log_probs[1, lane, n, colour, column] = out.log_probs[0, lane, n, colour, column]
        if colour + 1 < len(drawn):
            learn(mixture, level)
