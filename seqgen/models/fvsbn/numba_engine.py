"""The fused sampler of FVSBN: a pixel of level 1 adds its column of the weights to the logits of those after it.

So a pixel costs a comparison, and only the pixels of level 1 a row of additions. Legend: B lanes, D dimensions.
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
from seqgen.kernels.compile import kernel
from seqgen.kernels.dots import add_row
from seqgen.kernels.draw import draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.packing import Packer, padded_vector
from seqgen.kernels.random import uniform
from seqgen.kernels.words import planes
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)


class Packed(NamedTuple):
    """What the kernel reads.

    Attributes:
        columns: packed rows of D times the padded D: what a pixel of level 1 adds to the others' logits.
        places: (D,) where a dimension lies in an image (C, H, W). per_row: dimensions in a row.
    """

    columns: np.ndarray
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
    image, known, row, index = pixels
    per_row, places, columns = p.per_row, p.places, p.columns
    width = sums.shape[1]
    want_log_probs = out.log_probs.shape[2] > 0
    longest = 0
    for lane in lanes:
        longest = max(longest, rows[lane] * per_row)
    thresholds = np.empty(longest, np.float32)
    noise, words = planes(), np.empty(4 * longest + 8, np.uint32)
    scratch = draw_scratch(2)
    for lane in lanes:
        own = sums[lane]
        first, count = row[lane] * per_row, rows[lane] * per_row
        fill_thresholds(seed, index[lane], first, noise, words, thresholds[:count])
        drawn = count
        plain = not controls.reshapes[lane] and not want_log_probs
        for t in range(count):
            i = first + t
            place = places[i]
            if known[lane, place]:
                level = np.int64(image[lane, place])
            else:
                level, log_prob, log_prob_drawn = UNDECIDED, 0.0, 0.0
                if plain:
                    level = decide(own[i], thresholds[t])
                if level == UNDECIDED:
                    scratch.logits[0], scratch.logits[1] = 0.0, own[i]
                    u = uniform(seed, index[lane], np.uint64(i), _TOKEN)
                    level, log_prob, log_prob_drawn = draw(scratch, controls, lane, u, want_log_probs)
                if level < 0:
                    drawn = t
                    break
                image[lane, place] = level
                if want_log_probs:
                    keep_log_probs(out, lane, t, per_row, log_prob, log_prob_drawn)
            if level > 0:
                # the weights of the pixels up to this one are zeros: whole vectors from its own on are added
                begin = i // 32 * 32
                add_row(own, begin, columns, i * width + begin, width - begin)
        out.made[lane] = drawn // per_row


class FVSBNEngine(RunningSumsEngine):
    """Samples `FVSBN`s on the CPU; the running sums are the logits, as far as they are known."""

    title = "FVSBN"
    rows_kernel = staticmethod(advance)

    def _multiply_adds(self) -> int:
        # of a digit, one pixel in eight has the level 1
        return int(np.prod(self.codec.shape)) ** 2 // 16

    def _pack(self, packer: Packer, config: Mapping[str, Any]) -> tuple[tuple[Any, ...], np.ndarray]:
        size = int(config["dimensions"])
        matrix = np.zeros((size, size), np.float32)
        matrix[np.tril_indices(size, -1)] = packer["weight"]
        packer.add_rows(matrix.T)
        colours, _, columns = self.codec.shape
        packed = Packed(packer.matrices(), places(self.codec.shape), colours * columns)
        return tuple(packed), padded_vector(packer["bias"])
