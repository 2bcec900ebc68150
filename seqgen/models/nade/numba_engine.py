"""The fused sampler of NADE: running sums, hidden units, output, controls, noise and draw in one loop.

A pixel of level 0 adds nothing to the sums, so that the hidden units stay as they are: of a binarized digit, seven
steps in eight are one inner product and one comparison. Legend: B lanes, F hidden units, D dimensions, L levels.
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
from seqgen.kernels import activations
from seqgen.kernels.compile import inline, kernel, say_compiling
from seqgen.kernels.dots import add_row, dot, pack_rows
from seqgen.kernels.draw import draw
from seqgen.kernels.loops import put
from seqgen.kernels.random import uniform
from seqgen.kernels.vector import padded
from seqgen.kernels.words import planes
from seqgen.rng import Purpose
from seqgen.threads import Workers

_TOKEN = int(Purpose.TOKEN)


class NADEEngine(PixelEngine):
    """Samples `NADE`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._hidden = int(weights.config["hidden_size"])
        arrays, packed = packing(weights.arrays, ("input", "output"), request.precision)
        self._input = pack_rows(arrays["input"].reshape(-1, self._hidden), packed)
        self._output = pack_rows(arrays["output"].reshape(-1, self._hidden), packed)
        self._output_bias = arrays["output_bias"]
        self._places = places(self.codec.shape)
        self._start = np.zeros(padded(self._hidden), np.float32)
        self._start[: self._hidden] = arrays["input_bias"]
        self._sums = np.zeros((request.lanes, len(self._start)), np.float32)
        self._workers = Workers(request.threads)
        say_compiling("NADE")

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
                some, rows, np.uint64(self.request.seed), self._hidden, self._input, self._output,
                self._output_bias, self._places, self.codec.shape[0] * self.codec.shape[2], self._sums,
                self.image.reshape(lanes, -1), self.known.reshape(lanes, -1), self.row, self.index,
                controls.reshapes, controls.parameters, controls.allowed, controls.seen, log_probs, made,
            )  # fmt: skip

        self._workers.run(work, np.flatnonzero(rows))
        return made

    def close(self) -> None:
        self._workers.close()


@inline
def _activate(sums, hidden):
    """Hidden units from their sums; the two are rows of their own, so that the loop becomes vector code."""
    for j in range(len(sums)):
        hidden[j] = activations.sigmoid(sums[j])


@kernel
def _advance(
    lanes, rows, seed, hidden_size, inputs, outputs, output_bias, places, per_row, sums, image, known, row, index,
    reshapes, parameters, allowed, seen, log_probs, made,
):  # fmt: skip
    """Draw rows[lane] rows of each of `lanes`; `made` gets how many could be drawn.

    Args:
        inputs, outputs: packed rows of D · (L - 1) times the padded F. output_bias: (D, L - 1).
        places: (D,) where a dimension lies in an image (C, H, W). per_row: dimensions in a row.
        sums: (B, padded F). image, known: (B, C·H·W). log_probs: (2, B, N, C, W).
    """
    padded_size = sums.shape[1]
    wide = -(-hidden_size // 16) * 16
    others = output_bias.shape[1]
    colours = log_probs.shape[3]
    want_log_probs = log_probs.shape[2] > 0
    many = len(lanes)
    longest = 0
    for m in range(many):
        longest = max(longest, rows[lanes[m]] * per_row)
    own = np.empty(many * padded_size, np.float32)
    hidden = np.zeros(many * padded_size, np.float32)
    thresholds = np.empty((many, longest), np.float32)
    scratch, words = planes(), np.empty(4 * longest + 8, np.uint32)
    logits, work = np.empty(others + 1), np.empty((2, others + 1))
    order = np.empty(others + 1, np.int64)
    left = np.empty(many, np.int64)
    for m in range(many):
        lane = lanes[m]
        left[m] = rows[lane] * per_row
        if others == 1:
            first = row[lane] * per_row
            fill_thresholds(seed, index[lane], first, scratch, words, thresholds[m, : left[m]])
        at = m * padded_size
        put(sums[lane], own[at : at + padded_size])
        _activate(own[at : at + wide], hidden[at : at + wide])
    for t in range(longest):
        for m in range(many):
            if t >= left[m]:
                continue
            lane, at = lanes[m], m * padded_size
            i = row[lane] * per_row + t
            place = places[i]
            if known[lane, place]:
                level = np.int64(image[lane, place])
            else:
                level, log_prob, log_prob_drawn = UNDECIDED, 0.0, 0.0
                if others == 1:
                    logit = output_bias[i, 0] + dot(hidden, at, outputs, i * padded_size, padded_size)
                    if not reshapes[lane] and not want_log_probs:
                        level = decide(logit, thresholds[m, t])
                    if level == UNDECIDED:
                        level, log_prob, log_prob_drawn = draw_binary(
                            logit, lane, reshapes, parameters, allowed, seen, logits, order, work, seed, index,
                            i, want_log_probs,
                        )  # fmt: skip
                else:
                    logits[0] = 0.0
                    for k in range(others):
                        begin = (i * others + k) * padded_size
                        logits[k + 1] = output_bias[i, k] + dot(hidden, at, outputs, begin, padded_size)
                    level, log_prob, log_prob_drawn = draw(
                        logits, reshapes[lane], parameters[lane], allowed[lane], seen[lane], order, work,
                        uniform(seed, index[lane], np.uint64(i), _TOKEN), want_log_probs,
                    )  # fmt: skip
                if level < 0:
                    left[m] = t // per_row * per_row
                    continue
                image[lane, place] = level
                if want_log_probs:
                    within = t % per_row
                    log_probs[0, lane, t // per_row, within % colours, within // colours] = log_prob
                    log_probs[1, lane, t // per_row, within % colours, within // colours] = log_prob_drawn
            if level > 0:
                add_row(own, at, inputs, (i * others + level - 1) * padded_size, padded_size)
                _activate(own[at : at + wide], hidden[at : at + wide])
    for m in range(many):
        made[lanes[m]] = left[m] // per_row
        put(own[m * padded_size : (m + 1) * padded_size], sums[lanes[m]])
