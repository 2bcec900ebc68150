"""The part of a PixelCNN that is computed once per row: the vertical stack, and initial values of the horizontal sums.

These sums contain everything that does not depend on the pixels of the row itself: the rows above, the link between
the stacks, the condition. Each layer keeps as many of the rows above as its kernel reaches, in a ring buffer over the
rows, with columns of zeros at both ends.
Legend: C colours, H rows, W columns, F channels.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.loops import add, copy, gate, relu
from seqgen.kernels.vector import matmul
from seqgen.models.pixel_cnn.numba_packing import CONDITION, GUIDE, LINK, VERTICAL

_ZERO = np.float32(0.0)


class Cache(NamedTuple):
    """The state of the lanes besides the images; everything else belongs to the current row.

    Attributes:
        rows: (B, layers - 1, side, W + 2 side, F) float32, the inputs of all layers but the first in the last
            `side` rows: row h is at h mod `side`.
        features: (B, K) float32. guide: (B, C', H', W') uint8: the condition.
    """

    rows: np.ndarray
    features: np.ndarray
    guide: np.ndarray


class RowScratch(NamedTuple):
    """Scratch memory for one row of one lane; flat float32 arrays of the given sizes.

    Attributes:
        picture: (first_side, W + 2 first_side, C), the rows of the image that the first layer reads.
        current: (W + 2 side, F), the row's vertical features, input of the next layer.
        up: (W, vertical), the vertical sums.
        start: (layers, vertical + C across), initial values of the sums: biases and the condition's part.
        patches: (W, 9 C'), inputs of the guide's convolution. guided: (W, padded F), the guide's features.
    """

    picture: np.ndarray
    current: np.ndarray
    up: np.ndarray
    start: np.ndarray
    patches: np.ndarray
    guided: np.ndarray


def row_widths(s):
    """Return the size of each field of `RowScratch`."""
    return (
        s.first_side * (s.columns + 2 * s.first_side) * s.colours,
        (s.columns + 2 * s.side) * s.channels,
        s.columns * s.vertical,
        s.layers * (s.vertical + s.colours * s.across),
        s.columns * 9 * s.guide_colours,
        s.columns * s.guided,
    )


_row_widths = inline(row_widths)


@inline
def row_scratch(s, memory):
    """Return one block of memory as `RowScratch`; the padding around the features must be zeros."""
    a, b, c, d, e, f = _row_widths(s)
    b, c, d, e, f = a + b, a + b + c, a + b + c + d, a + b + c + d + e, a + b + c + d + e + f
    return RowScratch(memory[:a], memory[a:b], memory[b:c], memory[c:d], memory[d:e], memory[e:f])


@inline
def begin_row(s, packed, scratch, lane, row, pixels, cache, sums, sums_at, needed):
    """Compute the sums of one row of a lane, and advance its ring buffer of rows.

    Args:
        pixels: `PixelState`, whose image of the lane is complete above `row`. cache: `Cache`.
        sums: flat; the row's sums (W, layers, C across) are written from sums_at on.
        needed: whether a pixel of the row has to be drawn; if not, a gated network needs no sums.
    """
    image, features, guide = pixels.image[lane], cache.features[lane], cache.guide[lane]
    rows = cache.rows.reshape(-1)
    rows_at = lane * (s.layers - 1) * s.side * (s.columns + 2 * s.side) * s.channels
    columns, width = s.columns, s.colours * s.across
    stride = s.layers * width
    gated = s.gated == 1
    _conditioned(s, packed, scratch, features, row)
    if s.guide_colours > 0:
        _guide_row(s, packed, scratch, guide, row)
    _picture(s, packed, scratch, image, row)
    for k in range(s.layers):
        target = sums[sums_at + k * width : sums_at + (columns - 1) * stride + (k + 1) * width]
        at = packed.at[k, VERTICAL]
        if gated:
            _begin_sums(s, packed, scratch, k, 0, s.vertical, scratch.up, s.vertical)
            if s.guide_colours > 0:
                _guide_product(s, packed, scratch, packed.at[k, GUIDE], s.vertical, scratch.up, s.vertical)
            _rows_above(s, packed, scratch, k, row, rows, rows_at, at, scratch.up, s.vertical, s.vertical)
            if k > 0:
                matmul(
                    scratch.current, 0, s.channels, columns, packed.matrices,
                    at + s.side * (2 * s.side + 1) * s.channels * s.vertical, (2 * s.side + 1) * s.channels,
                    s.vertical, scratch.up, s.vertical,
                )  # fmt: skip
                if s.side > 0:
                    _keep_row(
                        s, scratch, rows, rows_at + ((k - 1) * s.side + row % s.side) * len(scratch.current)
                    )
        if needed or not gated:
            _begin_sums(s, packed, scratch, k, s.vertical, width, target, stride)
            if s.guide_colours > 0:
                from_ = packed.at[k, GUIDE] + s.vertical * s.channels
                _guide_product(s, packed, scratch, from_, width, target, stride)
            if gated:
                matmul(
                    scratch.up, 0, s.vertical, columns, packed.matrices, packed.at[k, LINK],
                    s.channels_padded + s.channels, width, target, stride,
                )  # fmt: skip
            else:
                _rows_above(s, packed, scratch, k, row, rows, rows_at, at, target, width, stride)
        if gated and k + 1 < s.layers:
            for w in range(columns):
                _gate_column(s, scratch, w)


@inline
def _conditioned(s, packed, scratch, features, row):
    """Compute the initial values of all layers' sums: biases, those of the row, and the product with the features."""
    both = s.vertical + s.colours * s.across
    copy(packed.base, 0, scratch.start, 0, s.layers * both)
    if s.position == 1:
        add(packed.place, row * both, scratch.start, 0, both)
    if s.features > 0:
        for k in range(s.layers):
            own = scratch.start[k * both : (k + 1) * both]
            matmul(features, 0, 0, 1, packed.matrices, packed.at[k, CONDITION], s.features, both, own, both)


@inline
def _begin_sums(s, packed, scratch, layer, first, width, target, stride):
    """Copy the initial values of a layer's sums, from column `first` on, to every column of the image."""
    both = s.vertical + s.colours * s.across
    for w in range(s.columns):
        copy(scratch.start, layer * both + first, target, w * stride, width)
        if layer == 0 and s.position == 1:
            add(packed.place, (s.rows + w) * both + first, target, w * stride, width)


@inline
def _guide_row(s, packed, scratch, guide, row):
    """Compute the guide's features for a row: a 3x3 convolution of the guide, upsampled to the image, and ReLU."""
    tall, broad = s.rows // s.guide_rows, s.columns // s.guide_columns
    width = s.guided
    for w in range(s.columns):
        for i in range(3):
            for j in range(3):
                h, v = row + i - 1, w + j - 1
                inside = 0 <= h < s.rows and 0 <= v < s.columns
                for c in range(s.guide_colours):
                    value = packed.scale[guide[c, h // tall, v // broad]] if inside else _ZERO
                    scratch.patches[((w * 3 + i) * 3 + j) * s.guide_colours + c] = value
        copy(packed.guide_net, 0, scratch.guided, w * width, width)
    inputs = 9 * s.guide_colours
    matmul(
        scratch.patches, 0, inputs, s.columns, packed.matrices, packed.head_at[0], inputs, width,
        scratch.guided, width,
    )  # fmt: skip
    relu(scratch.guided, 0, scratch.guided, 0, s.columns * width)


@inline
def _guide_product(s, packed, scratch, at, outputs, target, stride):
    """Add the product with the guide's features to a row of sums."""
    matmul(
        scratch.guided, 0, s.guided, s.columns, packed.matrices, at, s.channels, outputs, target,
        stride,
    )  # fmt: skip


@inline
def _picture(s, packed, scratch, image, row):
    """Copy the rows above, scaled as input of the network; zero outside the image."""
    at = 0
    for i in range(s.first_side):
        h = row - s.first_side + i
        for v in range(-s.first_side, s.columns + s.first_side):
            for c in range(s.colours):
                inside = h >= 0 and 0 <= v < s.columns
                scratch.picture[at] = packed.scale[image[c, h, v]] if inside else _ZERO
                at += 1


@inline
def _rows_above(s, packed, scratch, layer, row, rows, rows_at, at, target, outputs, stride):
    """Add the products with the rows above, the most distant first."""
    if layer == 0:
        inputs = (2 * s.first_side + 1) * s.colours
        for i in range(s.first_side):
            begin = i * (s.columns + 2 * s.first_side) * s.colours
            matmul(
                scratch.picture, begin, s.colours, s.columns, packed.matrices, at + i * inputs * outputs, inputs,
                outputs, target, stride,
            )  # fmt: skip
        return
    inputs, size = (2 * s.side + 1) * s.channels, (s.columns + 2 * s.side) * s.channels
    for i in range(s.side):
        begin = rows_at + ((layer - 1) * s.side + (row + i) % s.side) * size
        matmul(
            rows, begin, s.channels, s.columns, packed.matrices, at + i * inputs * outputs, inputs, outputs,
            target, stride,
        )  # fmt: skip


@inline
def _keep_row(s, scratch, rows, at):
    """Store the current features in place of the row that is no longer needed."""
    begin = s.side * s.channels
    copy(scratch.current, begin, rows, at + begin, s.columns * s.channels)


@inline
def _gate_column(s, scratch, w):
    """Compute the vertical features of a column from its sums."""
    sums = w * s.vertical
    gate(scratch.up, sums, sums + s.channels_padded, scratch.current, (w + s.side) * s.channels, s.channels)
