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
from seqgen.kernels import activations
from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.dots import add_row, dot
from seqgen.kernels.draw import draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.loops import put
from seqgen.kernels.packing import Packer, padded_vector
from seqgen.kernels.padding import whole_vectors
from seqgen.kernels.random import uniform
from seqgen.kernels.words import planes
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)


class Packed(NamedTuple):
    """What the kernel reads.

    Attributes:
        size: F padded to whole blocks. units: F in whole vectors.
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


@inline
def _activate(sums, hidden):
    """Hidden units from their sums; the two are rows of their own, so that the loop becomes vector code."""
    for j in range(len(sums)):
        hidden[j] = activations.sigmoid(sums[j])


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
    many = len(lanes)
    longest = 0
    for m in range(many):
        longest = max(longest, rows[lanes[m]] * per_row)
    own = np.empty(many * size, np.float32)
    hidden = np.zeros(many * size, np.float32)
    thresholds = np.empty((many, longest), np.float32)
    noise, words = planes(), np.empty(4 * longest + 8, np.uint32)
    scratch = draw_scratch(others + 1)
    logits = scratch.logits
    left = np.empty(many, np.int64)
    for m in range(many):
        lane = lanes[m]
        left[m] = rows[lane] * per_row
        if others == 1:
            first = row[lane] * per_row
            fill_thresholds(seed, index[lane], first, noise, words, thresholds[m, : left[m]])
        at = m * size
        put(sums[lane], own[at : at + size])
        _activate(own[at : at + units], hidden[at : at + units])
    for t in range(longest):
        for m in range(many):
            if t >= left[m]:
                continue
            lane, at = lanes[m], m * size
            i = row[lane] * per_row + t
            place = places[i]
            if known[lane, place]:
                level = np.int64(image[lane, place])
            else:
                level, log_prob, log_prob_drawn = UNDECIDED, 0.0, 0.0
                if others == 1:
                    logit = output_bias[i, 0] + dot(hidden, at, matrices, outputs_at + i * size, size)
                    logits[1] = logit
                    if not controls.reshapes[lane] and not want_log_probs:
                        level = decide(logit, thresholds[m, t])
                else:
                    for k in range(others):
                        begin = outputs_at + (i * others + k) * size
                        logits[k + 1] = output_bias[i, k] + dot(hidden, at, matrices, begin, size)
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
                add_row(own, at, matrices, inputs_at + (i * others + level - 1) * size, size)
                _activate(own[at : at + units], hidden[at : at + units])
    for m in range(many):
        out.made[lanes[m]] = left[m] // per_row
        put(own[m * size : (m + 1) * size], sums[lanes[m]])


class NADEEngine(RunningSumsEngine):
    """Samples `NADE`s on the CPU; the running sums are those of the hidden units, padded."""

    title = "NADE"
    rows_kernel = staticmethod(advance)

    def _pack(self, packer: Packer, config: Mapping[str, Any]) -> tuple[tuple[Any, ...], np.ndarray]:
        hidden = int(config["hidden_size"])
        inputs_at, outputs_at = (
            packer.add_rows(packer[name].reshape(-1, hidden)) for name in ("input", "output")
        )
        colours, _, columns = self.codec.shape
        start = padded_vector(packer["input_bias"])
        packed = Packed(
            len(start), whole_vectors(hidden), packer.matrices(), inputs_at, outputs_at,
            packer["output_bias"], places(self.codec.shape), colours * columns,
        )  # fmt: skip
        return tuple(packed), start
