"""The fused sampler of PixelCNN++: network, mixture, controls, noise and draw in one loop over the pixels.

Lanes that stand at the same row are computed together, so that they share the weights' way from memory.
Legend: B lanes, C colours, H rows, W columns, N rows of a round.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.conditions.image import Conditions
from seqgen.engine import Request, Start
from seqgen.image.engine import PixelEngine
from seqgen.kernels.compile import kernel, say_compiling
from seqgen.kernels.draw import draw
from seqgen.kernels.logistics import (
    begin_pixel,
    components,
    learn,
    level_below,
    level_log_probs,
    log_prob_of,
)
from seqgen.kernels.random import uniform
from seqgen.models.pixel_cnn_pp.numba_layers import one_pixel, read_rows, row_above, vertical_row
from seqgen.models.pixel_cnn_pp.numba_packing import PackedPixelCNNpp
from seqgen.models.pixel_cnn_pp.numba_parts import AT_START, elu, pad, product
from seqgen.rng import Purpose
from seqgen.threads import Workers

_TOKEN = int(Purpose.TOKEN)


class PixelCNNppEngine(PixelEngine):
    """Samples `PixelCNNpp`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        config = weights.config
        self._mixtures = int(config["mixtures"])
        self._conditions = Conditions.from_config(config)
        self._packed = PackedPixelCNNpp(weights.arrays, config, self._conditions.features, request.precision)
        # one row of inputs for each convolution, and what each block adds for the lane's condition
        self._kept = np.zeros((request.lanes, self._packed.kept), np.float32)
        blocks, shifted, _ = self._packed.conditions.shape
        self._shifts = np.zeros((request.lanes, blocks * shifted), np.float32)
        self._workers = Workers(request.threads)
        say_compiling("PixelCNN++")

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "kept": self._kept, "shifts": self._shifts}

    def close(self) -> None:
        self._workers.close()

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        features = self._conditions.parse(start.condition)[0].astype(np.float64)
        self._shifts[lanes] = (self._packed.conditions * features).sum(-1).ravel().astype(np.float32)
        self._kept[lanes] = 0

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        made = np.zeros(len(rows), np.int64)
        running = np.flatnonzero(rows)
        for row, count in sorted({(int(self.row[lane]), int(rows[lane])) for lane in running}):
            together = running[(self.row[running] == row) & (rows[running] == count)]
            work = partial(self._run, row=row, count=count, made=made, log_probs=log_probs)
            self._workers.run(work, together)
        return made

    def _run(self, lanes: np.ndarray, row: int, count: int, made: np.ndarray, log_probs: np.ndarray) -> None:
        packed, controls = self._packed, self.controls
        _draw_rows(
            lanes, row, count, np.uint64(self.request.seed), self.codec.levels, self._mixtures, packed.width,
            packed.table, packed.weights, packed.biases, packed.head, packed.head_bias, packed.outputs,
            packed.sums, packed.maps, self._kept, self._shifts, self.image, self.known, self.index,
            controls.reshapes, controls.parameters, controls.allowed, controls.seen, log_probs, made,
        )  # fmt: skip


@kernel
def _draw_rows(
    lanes, first_row, count, seed, levels, mixtures, width, table, weights, biases, head, head_bias, outputs,
    sums_length, maps_length, kept, shifts, image, known, index, reshapes, parameters, allowed, seen, log_probs, made,
):  # fmt: skip
    """Draw `count` rows of `lanes` from `first_row` on; made[lane] says how many rows could be drawn."""
    many, stride = len(lanes), kept.shape[1]
    _, colours, _, columns = image.shape
    inputs = colours + 1
    vertical = len(table) // 2
    wanted = log_probs.shape[2] > 0
    # side by side, as the products of several lanes want it
    own = np.empty(many * stride, np.float32)
    for m in range(many):
        for j in range(stride):
            own[m * stride + j] = kept[lanes[m], j]
    widest = max(pad(2 * width), pad(4 * width))
    pixels = np.empty(2 * (columns + 2) * inputs, np.float32)
    left = np.zeros(many * inputs, np.float32)
    maps = np.empty(maps_length, np.float32)
    row_sums = np.empty(max(many, columns) * widest, np.float32)
    work = np.empty(max(many, columns) * widest, np.float32)
    sums = np.empty(many * sums_length, np.float32)
    values = np.empty(vertical * many * width, np.float32)
    head_width = pad(outputs)
    raw = np.empty(many * head_width, np.float32)
    joint, means, precisions = np.empty(mixtures), np.empty(mixtures), np.empty(mixtures)
    logits, scratch, order = np.empty(levels), np.empty((2, levels)), np.empty(levels, np.int64)
    possible = np.ones(many, np.bool_)
    for row in range(first_row, first_row + count):
        for m in range(many):
            lane, base = lanes[m], m * stride
            read_rows(image[lane], row, levels, pixels)
            vertical_row(
                table, vertical, width, columns, row, own, base, weights, biases, shifts[lane], inputs, pixels,
                maps, row_sums, work,
            )  # fmt: skip
            row_above(
                table, vertical, width, columns, row, own, base, weights, biases, shifts[lane], inputs, pixels,
                maps, sums, m * sums_length, work,
            )  # fmt: skip
        for column in range(columns):
            unknown = False
            for m in range(many):
                for colour in range(colours):
                    unknown |= not known[lanes[m], colour, row, column]
                    if column:
                        level = image[lanes[m], colour, row, column - 1]
                        left[m * inputs + colour] = level * (2.0 / (levels - 1)) - 1.0
                    else:
                        left[m * inputs + colour] = 0.0
                left[m * inputs + colours] = 1.0 if column else 0.0
            one_pixel(
                table, vertical, width, row, column, many, own, stride, weights, biases, inputs, left,
                sums, sums_length, values, work,
            )  # fmt: skip
            if not unknown:
                continue
            for m in range(many):
                elu(values, ((vertical - 1) * many + m) * width, work, m * width, width)
                for j in range(head_width):
                    raw[m * head_width + j] = biases[head_bias + j]
            product(work, AT_START, width, many, weights, head, width, head_width, raw, AT_START, head_width)
            for m in range(many):
                lane, at = lanes[m], m * head_width
                begin_pixel(raw, at, mixtures, joint)
                for colour in range(colours):
                    drawn = image[lane, :, row, column]
                    components(raw, at, colour, colours, mixtures, drawn, levels, means, precisions)
                    if not known[lane, colour, row, column] and possible[m]:
                        position = np.uint64((row * columns + column) * colours + colour)
                        u = uniform(seed, index[lane], position, _TOKEN)
                        if reshapes[lane]:
                            level_log_probs(joint, means, precisions, levels, logits)
                            level, log_prob, log_prob_drawn = draw(
                                logits,
                                True,
                                parameters[lane],
                                allowed[lane],
                                seen[lane],
                                order,
                                scratch,
                                u,
                                wanted,
                            )
                            if level < 0:
                                possible[m] = False
                                level = 0
                        else:
                            level = level_below(joint, means, precisions, levels, u)
                            log_prob = log_prob_drawn = 0.0
                            if wanted:
                                log_prob = log_prob_drawn = log_prob_of(
                                    level, joint, means, precisions, levels
                                )
                        image[lane, colour, row, column] = level
                        if wanted:
                            log_probs[0, lane, row - first_row, colour, column] = log_prob
                            log_probs[1, lane, row - first_row, colour, column] = log_prob_drawn
                    if colour + 1 < colours:
                        learn(np.int64(drawn[colour]), joint, means, precisions, levels)
        for m in range(many):
            if possible[m]:
                made[lanes[m]] = row - first_row + 1
    for m in range(many):
        for j in range(stride):
            kept[lanes[m], j] = own[m * stride + j]
