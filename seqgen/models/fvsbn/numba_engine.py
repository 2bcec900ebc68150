"""The fused sampler of FVSBN: a pixel of level 1 adds its column of the weights to the logits of those after it.

So a pixel costs a comparison, and only the pixels of level 1 a row of additions. Legend: B lanes, D dimensions.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request, Start
from seqgen.engines.requirements import require_no_condition
from seqgen.image.engine import PixelEngine
from seqgen.image.numba_binary import UNDECIDED, decide, draw_binary, fill_thresholds
from seqgen.image.numba_raster import packing, places
from seqgen.kernels.compile import kernel, say_compiling
from seqgen.kernels.dots import add_row, pack_rows
from seqgen.kernels.vector import padded
from seqgen.kernels.words import planes
from seqgen.threads import Workers


class FVSBNEngine(PixelEngine):
    """Samples `FVSBN`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        arrays, packed = packing(weights.arrays, ("weight",), request.precision)
        size = int(weights.config["dimensions"])
        matrix = np.zeros((size, size), np.float32)
        matrix[np.tril_indices(size, -1)] = arrays["weight"]
        self._columns = pack_rows(matrix.T, packed)
        self._places = places(self.codec.shape)
        self._start = np.zeros(padded(size), np.float32)
        self._start[:size] = arrays["bias"]
        self._sums = np.zeros((request.lanes, len(self._start)), np.float32)
        self._workers = Workers(request.threads)
        say_compiling("FVSBN")

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "sums": self._sums}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        require_no_condition(start)
        self._sums[lanes] = self._start

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        made = np.zeros_like(rows)
        controls, lanes = self.controls, len(rows)

        def work(some: np.ndarray) -> None:
            _advance(
                some, rows, np.uint64(self.request.seed), self._columns, self._places,
                self.codec.shape[0] * self.codec.shape[2], self._sums, self.image.reshape(lanes, -1),
                self.known.reshape(lanes, -1), self.row, self.index, controls.reshapes, controls.parameters,
                controls.allowed, controls.seen, log_probs, made,
            )  # fmt: skip

        self._workers.run(work, np.flatnonzero(rows))
        return made

    def close(self) -> None:
        self._workers.close()


@kernel
def _advance(
    lanes, rows, seed, columns, places, per_row, sums, image, known, row, index,
    reshapes, parameters, allowed, seen, log_probs, made,
):  # fmt: skip
    """Draw rows[lane] rows of each of `lanes`; `made` gets how many could be drawn.

    Args:
        columns: packed rows of D times the padded D: what a pixel of level 1 adds to the others' logits.
        places: (D,) where a dimension lies in an image (C, H, W). per_row: dimensions in a row.
        sums: (B, padded D). image, known: (B, C·H·W). log_probs: (2, B, N, C, W).
    """
    width = sums.shape[1]
    colours = log_probs.shape[3]
    want_log_probs = log_probs.shape[2] > 0
    longest = 0
    for lane in lanes:
        longest = max(longest, rows[lane] * per_row)
    thresholds = np.empty(longest, np.float32)
    scratch, words = planes(), np.empty(4 * longest + 8, np.uint32)
    logits, work, order = np.empty(2), np.empty((2, 2)), np.empty(2, np.int64)
    for lane in lanes:
        own = sums[lane]
        first, count = row[lane] * per_row, rows[lane] * per_row
        fill_thresholds(seed, index[lane], first, scratch, words, thresholds[:count])
        drawn = count
        plain = not reshapes[lane] and not want_log_probs
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
                    level, log_prob, log_prob_drawn = draw_binary(
                        own[i], lane, reshapes, parameters, allowed, seen, logits, order, work, seed, index, i,
                        want_log_probs,
                    )  # fmt: skip
                if level < 0:
                    drawn = t
                    break
                image[lane, place] = level
                if want_log_probs:
                    within = t % per_row
                    log_probs[0, lane, t // per_row, within % colours, within // colours] = log_prob
                    log_probs[1, lane, t // per_row, within % colours, within // colours] = log_prob_drawn
            if level > 0:
                # the weights of the pixels up to this one are zeros: whole vectors from its own on are added
                begin = i // 32 * 32
                add_row(own, begin, columns, i * width + begin, width - begin)
        made[lane] = drawn // per_row
