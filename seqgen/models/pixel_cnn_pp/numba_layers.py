"""The network of PixelCNN++, compiled: the vertical stream one row at a time, the horizontal one a pixel at a time.

`numba_packing` documents the layout in memory. A lane's sums depend on its own values alone, and their order is fixed:
bias, the row above, the vertical stream, the current row, the short-cut. `p` is the `Packed`.
Legend: M lanes of a thread, C colours, W columns, F channels.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.noinline import noinline
from seqgen.models.pixel_cnn_pp.numba_packing import BLOCK, DOWN, INPUT, UP
from seqgen.models.pixel_cnn_pp.numba_parts import (
    AT_START,
    concat_elu,
    concat_elu_row,
    copy,
    elu,
    fill,
    fill_conditioned,
    gate,
    pad,
    product,
    quarter,
)

_ONE, _ZERO = np.float32(1.0), np.float32(0.0)


class Scratch(NamedTuple):
    """Scratch memory of a thread for the rows of M lanes; flat arrays of the given sizes.

    Attributes:
        own: (M, kept), the kept rows of the lanes, adjacent as in products over several lanes.
        pixels: (2, W + 2, C + 1), from `read_rows`. left: (M, C + 1), the pixel to the left.
        maps: (maps,), of the vertical stream of one lane. row_sums: the sums of one of its layers.
        sums: (M, sums), initialised by `row_above`. values: (layers of the horizontal stream, M, F), maps at a pixel.
        work: the inputs or the sums of one layer.
    """

    own: np.ndarray
    pixels: np.ndarray
    left: np.ndarray
    maps: np.ndarray
    row_sums: np.ndarray
    sums: np.ndarray
    values: np.ndarray
    work: np.ndarray


@inline
def scratch_for(p, lanes):
    """Allocate scratch memory for `lanes` lanes, of the type of the biases."""
    widest = max(lanes, p.columns) * max(pad(2 * p.width), pad(4 * p.width))
    kind = p.biases.dtype
    return Scratch(
        np.empty(lanes * p.kept, kind), np.empty(2 * (p.columns + 2) * p.inputs, kind),
        np.zeros(lanes * p.inputs, kind), np.empty(p.maps, kind), np.empty(widest, kind),
        np.empty(lanes * p.sums, kind), np.empty(p.vertical * lanes * p.width, kind), np.empty(widest, kind),
    )  # fmt: skip


@inline
def read_rows(image, row, levels, pixels):
    """Write rows row - 2 and row - 1 of an image (C, H, W) to `pixels`: [2][W + 2][C + 1], zeros outside the image."""
    colours, _, columns = image.shape
    inputs = colours + 1
    step = 2.0 / (levels - 1)
    pixels[:] = _ZERO
    for part in range(2):
        r = row - 2 + part
        if r < 0:
            continue
        for c in range(columns):
            at = (part * (columns + 2) + c + 1) * inputs
            for colour in range(colours):
                pixels[at + colour] = image[colour, r, c] * step - 1.0
            pixels[at + colours] = _ONE


@inline
def vertical_row(p, scratch, row, m, condition):
    """Run the vertical stream for one row of the m-th lane; `condition` is added to its blocks."""
    noinline()
    table, width, columns, inputs = p.table, p.width, p.columns, p.inputs
    weights, biases = p.matrices, p.biases
    own, maps, work = scratch.own, scratch.maps, scratch.work
    pixels, sums, base = scratch.pixels, scratch.row_sums, m * p.kept
    once, twice = pad(width), pad(2 * width)
    for k in range(p.vertical):
        layer = table[k]
        scale = layer.scale
        here = (columns + (1 << scale) - 1) >> scale
        kept = base + layer.row
        runs = row & ((1 << scale) - 1) == 0
        if layer.kind == INPUT:
            fill(sums, AT_START, here, once, biases, layer.bias)
            above = (columns + 2) * inputs
            product(
                pixels, AT_START, inputs, here, weights, layer.above, 3 * inputs, once, sums, AT_START, once
            )
            product(pixels, above, inputs, here, weights, layer.own, 3 * inputs, once, sums, AT_START, once)
            copy(sums, AT_START, once, maps, layer.map, width, here, width)
        elif layer.kind == BLOCK and runs:
            source, double = table[layer.source].map, 2 * width
            fill(sums, AT_START, here, once, biases, layer.bias)
            product(own, kept, double, here, weights, layer.above, 3 * double, once, sums, AT_START, once)
            concat_elu_row(maps, source, width, own, kept + double, here, width)
            product(own, kept, double, here, weights, layer.own, 3 * double, once, sums, AT_START, once)
            if layer.shortcut >= 0:
                concat_elu_row(maps, table[layer.shortcut].map, width, work, AT_START, here, width)
                product(
                    work,
                    AT_START,
                    double,
                    here,
                    weights,
                    layer.shortcut_weight,
                    double,
                    once,
                    sums,
                    AT_START,
                    once,
                )
            kept = base + layer.second_row
            fill_conditioned(
                work, AT_START, here, twice, biases, layer.second_bias, condition, layer.condition, double
            )
            product(
                own, kept, double, here, weights, layer.second_above, 3 * double, twice, work, AT_START, twice
            )
            concat_elu_row(sums, AT_START, once, own, kept + double, here, width)
            product(
                own, kept, double, here, weights, layer.second_own, 3 * double, twice, work, AT_START, twice
            )
            for place in range(here):
                gate(
                    work, place * twice, maps, source + place * width, maps, layer.map + place * width, width
                )
        elif layer.kind == DOWN and row & ((1 << (scale - 1)) - 1) == 0:
            if runs:
                fill(sums, AT_START, here, once, biases, layer.bias)
                product(
                    own, kept, 2 * width, here, weights, layer.above, 3 * width, once, sums, AT_START, once
                )
            finer = (columns + (1 << (scale - 1)) - 1) >> (scale - 1)
            copy(maps, table[layer.source].map, width, own, kept + width, width, finer, width)
            if runs:
                product(own, kept, 2 * width, here, weights, layer.own, 3 * width, once, sums, AT_START, once)
                copy(sums, AT_START, once, maps, layer.map, width, here, width)
        elif layer.kind == UP and runs:
            if row & ((1 << (scale + 1)) - 1) == 0:
                coarser = (columns + (1 << (scale + 1)) - 1) >> (scale + 1)
                wide = pad(4 * width)
                fill(sums, AT_START, coarser, wide, biases, layer.bias)
                source = table[layer.source].map
                product(maps, source, width, coarser, weights, layer.own, width, wide, sums, AT_START, wide)
                copy(sums, AT_START, wide, own, kept, 4 * width, coarser, 4 * width)
            for place in range(here):
                at = kept + quarter(row >> scale, place, width)
                copy(own, at, width, maps, layer.map + place * width, width, AT_START + 1, width)


@inline
def row_above(p, scratch, row, m, condition):
    """Initialise the sums of the horizontal stream for one row of the m-th lane.

    They are bias, condition, the taps on the row above and the vertical stream.
    """
    noinline()
    table, width, columns, inputs = p.table, p.width, p.columns, p.inputs
    weights, biases = p.matrices, p.biases
    own, maps, work = scratch.own, scratch.maps, scratch.work
    pixels, sums, base, sums_at = scratch.pixels, scratch.sums, m * p.kept, m * p.sums
    once, twice, double = pad(width), pad(2 * width), 2 * width
    for k in range(p.vertical, len(table)):
        layer = table[k]
        scale = layer.scale
        if row & ((1 << scale) - 1) != 0 or layer.kind == UP:
            continue
        here = (columns + (1 << scale) - 1) >> scale
        kept, begin = base + layer.row, sums_at + layer.sums
        fill(sums, begin, here, once, biases, layer.bias)
        if layer.kind == INPUT:
            above = (columns + 2) * inputs
            product(pixels, above, inputs, here, weights, layer.above, 3 * inputs, once, sums, begin, once)
        elif layer.kind == DOWN:
            product(own, kept, double, here, weights, layer.above, double, once, sums, begin, once)
        else:
            product(own, kept, double, here, weights, layer.above, 2 * double, once, sums, begin, once)
            concat_elu_row(maps, table[layer.twin].map, width, work, AT_START, here, width)
            product(work, AT_START, double, here, weights, layer.twin_weight, double, once, sums, begin, once)
            kept, begin = base + layer.second_row, sums_at + layer.second_sums
            fill_conditioned(
                sums, begin, here, twice, biases, layer.second_bias, condition, layer.condition, double
            )
            product(
                own, kept, double, here, weights, layer.second_above, 2 * double, twice, sums, begin, twice
            )


@inline
def one_pixel(p, scratch, row, column, lanes):
    """Run the horizontal stream at one pixel of `lanes` lanes."""
    noinline()
    table, first, width, inputs = p.table, p.vertical, p.width, p.inputs
    weights, biases = p.matrices, p.biases
    own, left, sums, values, work = scratch.own, scratch.left, scratch.sums, scratch.values, scratch.work
    stride, sums_stride = p.kept, p.sums
    once, twice, double = pad(width), pad(2 * width), 2 * width
    for k in range(first, len(table)):
        layer = table[k]
        scale = layer.scale
        place = column >> scale
        runs = (row | column) & ((1 << scale) - 1) == 0
        source, result = (layer.source - first) * lanes * width, (k - first) * lanes * width
        kept, begin = layer.row, layer.sums + place * once
        if layer.kind == INPUT:
            product(left, AT_START, inputs, lanes, weights, layer.own, inputs, once, sums, begin, sums_stride)
            copy(sums, begin, sums_stride, values, result, width, lanes, width)
        elif layer.kind == BLOCK and runs:
            for m in range(lanes):
                at = m * stride + kept + (place + 1) * double
                concat_elu(values, source + m * width, own, at, width)
            at = kept + place * double
            product(own, at, stride, lanes, weights, layer.own, 2 * double, once, sums, begin, sums_stride)
            if layer.shortcut >= 0:
                joined = (layer.shortcut - first) * lanes * width
                for m in range(lanes):
                    concat_elu(values, joined + m * width, work, m * double, width)
                product(
                    work,
                    AT_START,
                    double,
                    lanes,
                    weights,
                    layer.shortcut_weight,
                    double,
                    once,
                    sums,
                    begin,
                    sums_stride,
                )
            kept, second = layer.second_row, layer.second_sums + place * twice
            for m in range(lanes):
                at = m * stride + kept + (place + 1) * double
                concat_elu(sums, m * sums_stride + begin, own, at, width)
            at = kept + place * double
            product(
                own,
                at,
                stride,
                lanes,
                weights,
                layer.second_own,
                2 * double,
                twice,
                sums,
                second,
                sums_stride,
            )
            for m in range(lanes):
                gate(
                    sums,
                    m * sums_stride + second,
                    values,
                    source + m * width,
                    values,
                    result + m * width,
                    width,
                )
        elif layer.kind == DOWN and (row | column) & ((1 << (scale - 1)) - 1) == 0:
            finer = column >> (scale - 1)
            copy(values, source, width, own, kept + (finer + 1) * width, stride, lanes, width)
            if runs:
                at = kept + 2 * place * width
                product(own, at, stride, lanes, weights, layer.own, double, once, sums, begin, sums_stride)
                copy(sums, begin, sums_stride, values, result, width, lanes, width)
        elif layer.kind == UP and runs:
            if (row | column) & ((1 << (scale + 1)) - 1) == 0:
                wide = pad(4 * width)
                fill(work, AT_START, lanes, wide, biases, layer.bias)
                product(values, source, width, lanes, weights, layer.own, width, wide, work, AT_START, wide)
                at = kept + (place >> 1) * 4 * width
                copy(work, AT_START, wide, own, at, stride, lanes, 4 * width)
            at = kept + quarter(row >> scale, place, width)
            copy(own, at, stride, values, result, width, lanes, width)


@inline
def read_left(p, left, pixels, lanes, row, column):
    """Copy the pixels before `column` to `left`; return whether any lane has a colour to draw at `column`."""
    unknown = False
    for m in range(len(lanes)):
        for colour in range(p.inputs - 1):
            unknown |= not pixels.known[lanes[m], colour, row, column]
            at = m * p.inputs + colour
            if column:
                level = pixels.image[lanes[m], colour, row, column - 1]
                left[at] = level * (2.0 / (p.levels - 1)) - 1.0
            else:
                left[at] = 0.0
        left[(m + 1) * p.inputs - 1] = 1.0 if column else 0.0
    return unknown


@inline
def head(p, scratch, lanes, raw):
    """Write the parameters of the pixel's mixture of each lane to raw (M, padded outputs)."""
    width = pad(p.outputs)
    for m in range(lanes):
        at = ((p.vertical - 1) * lanes + m) * p.width
        elu(scratch.values, at, scratch.work, m * p.width, p.width)
        for j in range(width):
            raw[m * width + j] = p.biases[p.head_bias + j]
    product(scratch.work, AT_START, p.width, lanes, p.matrices, p.head, p.width, width, raw, AT_START, width)
