"""The fused sampler of NADE: running sums, hidden units, output, controls, noise and draw in one loop.

A pixel of level 0 adds nothing to the sums, so that the hidden units stay as they are: of a binarized digit, seven
steps in eight are one inner product and one comparison. Legend: B lanes, F hidden units, D dimensions, L levels.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from seqgen.image.numba_binary import UNDECIDED, decide, fill_thresholds
from seqgen.image.numba_lanes import PixelState, RowArrays
from seqgen.image.numba_raster import keep_log_probs, places
from seqgen.image.numba_running_sums import RunningSumsEngine
from seqgen.image.numba_sigmoid import STEP, add_row_sigmoids, aligned_rows, sigmoids
from seqgen.kernels.compile import kernel
from seqgen.kernels.dots import dot, dots
from seqgen.kernels.draw import draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.loops import put
from seqgen.kernels.packing import Packer, padded_vector
from seqgen.kernels.random import uniform
from seqgen.kernels.words import planes
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)

GROUP = 8
"""Lanes that are drawn together: they share each row of weights, and their hidden units stay in the first cache."""


class Packed(NamedTuple):
    """What the kernel reads.

    Attributes:
        size: F padded to whole blocks. units: F in whole steps of `numba_sigmoid`.
        matrices: packed rows of `size`, D · (L - 1) of them from inputs_at and from outputs_at on.
        output_bias: (D, L - 1).
        places: (D,) where a dimension lies in an image (C, H, W). per_row: dimensions in a row.
    """

    size: int
    units: int
    matrices: np.ndarray
    inputs_at: int
    outputs_at: int
    output_bias: np.ndarray
    places: np.ndarray
    per_row: int


@kernel
def advance(packed, lanes, rows, seed, pixels, sums, controls, out):
    """Draw rows[lane] rows of each of `lanes`; out.made says how many could be drawn.

    `packed`, `pixels` (flat), `controls` and `out` are `Packed`, `PixelState`, `LaneControlArrays` and `RowArrays` as
    plain tuples; `sums` are those of `RunningSumsEngine`.
    """
    p, pixels = Packed(*packed), PixelState(*pixels)
    controls, out = LaneControlArrays(*controls), RowArrays(*out)
    size, units, per_row, places = p.size, p.units, p.per_row, p.places
    matrices, inputs_at, outputs_at, output_bias = p.matrices, p.inputs_at, p.outputs_at, p.output_bias
    image, known, row, index = pixels
    others = output_bias.shape[1]
    want_log_probs = out.log_probs.shape[2] > 0
    most = 0
    for lane in lanes:
        most = max(most, rows[lane] * per_row)
    group = min(len(lanes), GROUP)
    own, hidden = aligned_rows(group * size), aligned_rows(group * size)
    hidden[:] = np.float32(0.0)
    thresholds = np.empty((group, most), np.float32)
    noise, words = planes(), np.empty(4 * most + 8, np.uint32)
    scratch = draw_scratch(others + 1)
    logits = scratch.logits
    left = np.empty(group, np.int64)
    products = np.empty(group, np.float32)
    for begin in range(0, len(lanes), GROUP):
        many = min(len(lanes) - begin, GROUP)
        longest = 0
        for m in range(many):
            lane = lanes[begin + m]
            left[m] = rows[lane] * per_row
            longest = max(longest, left[m])
            if others == 1:
                first = row[lane] * per_row
                fill_thresholds(seed, index[lane], first, noise, words, thresholds[m, : left[m]])
            at = m * size
            put(sums[lane], own[at : at + size])
            sigmoids(own, at, hidden, at, units)
        for t in range(longest):
            if others == 1:
                # lanes at the same dimension read its weights together
                first = 0
                while first < many:
                    i = row[lanes[begin + first]] * per_row + t
                    after = first + 1
                    while after < many and row[lanes[begin + after]] * per_row + t == i:
                        after += 1
                    if i < len(places):
                        weights_at = outputs_at + i * size
                        dots(
                            hidden, first * size, matrices, weights_at, size, size, after - first, products, first
                        )  # fmt: skip
                    first = after
            for m in range(many):
                if t >= left[m]:
                    continue
                lane, at = lanes[begin + m], m * size
                i = row[lane] * per_row + t
                place = places[i]
                if known[lane, place]:
                    level = np.int64(image[lane, place])
                else:
                    level, log_prob, log_prob_drawn = UNDECIDED, 0.0, 0.0
                    if others == 1:
                        logit = output_bias[i, 0] + products[m]
                        logits[1] = logit
                        if not controls.reshapes[lane] and not want_log_probs:
                            level = decide(logit, thresholds[m, t])
                    else:
                        for k in range(others):
                            weights_at = outputs_at + (i * others + k) * size
                            logits[k + 1] = output_bias[i, k] + dot(hidden, at, matrices, weights_at, size)
                    if level == UNDECIDED:
                        logits[0] = 0.0
                        u = uniform(seed, index[lane], np.uint64(i), _TOKEN)
                        level, log_prob, log_prob_drawn = draw(scratch, controls, lane, u, want_log_probs)
                    if level < 0:
                        left[m] = t // per_row * per_row
                        continue
                    image[lane, place] = level
                    if want_log_probs:
                        keep_log_probs(out, lane, t, per_row, log_prob, log_prob_drawn)
                if level > 0:
                    weights_at = inputs_at + (i * others + level - 1) * size
                    add_row_sigmoids(own, at, matrices, weights_at, hidden, at, units)
        for m in range(many):
            lane = lanes[begin + m]
            out.made[lane] = left[m] // per_row
            put(own[m * size : (m + 1) * size], sums[lane])


class NADEEngine(RunningSumsEngine):
    """Samples `NADE`s on the CPU; the running sums are those of the hidden units, padded."""

    title = "NADE"
    rows_kernel = staticmethod(advance)

    def _multiply_adds(self) -> int:
        return len(self._start) * int(np.prod(self.codec.shape)) * (self.codec.levels - 1)

    def _pack(self, packer: Packer, config: Mapping[str, Any]) -> tuple[tuple[Any, ...], np.ndarray]:
        hidden = int(config["hidden_size"])
        inputs_at, outputs_at = (
            packer.add_rows(packer[name].reshape(-1, hidden)) for name in ("input", "output")
        )
        colours, _, columns = self.codec.shape
        start = padded_vector(packer["input_bias"])
        packed = Packed(
            len(start), -(-hidden // STEP) * STEP, packer.matrices(), inputs_at, outputs_at,
            packer["output_bias"], places(self.codec.shape), colours * columns,
        )  # fmt: skip
        return tuple(packed), start
