"""The fused sampler of EoNADE: whole images in any order, the first hidden layer's sums carried along.

A dimension costs two row additions, an inner product for each level but one, and the deeper layers a matrix product
each, which the lanes of a thread share. Legend: B lanes, F hidden units, D dimensions, L levels.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request, Start
from seqgen.image.engine import PixelEngine
from seqgen.image.numba_binary import UNDECIDED, decide, draw_binary, fill_thresholds
from seqgen.image.numba_raster import packing, places
from seqgen.kernels.compile import inline, kernel, say_compiling
from seqgen.kernels.dots import add_row, dot, pack_rows
from seqgen.kernels.draw import draw
from seqgen.kernels.loops import put
from seqgen.kernels.random import uniform
from seqgen.kernels.vector import matmul, pack, padded
from seqgen.kernels.words import planes
from seqgen.models.eonade.lanes import OrderedLanes
from seqgen.rng import Purpose
from seqgen.threads import Workers

_TOKEN = int(Purpose.TOKEN)


class EoNADEEngine(PixelEngine):
    """Samples `EoNADE`s on the CPU; lanes are spread over threads."""

    name = "numba"
    completes: ClassVar[str] = "any"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        hidden = self._hidden = int(weights.config["hidden_size"])
        layers = int(weights.config["layers"]) - 1
        deeper = [f"deeper.{k}" for k in range(layers)]
        arrays, packed = packing(weights.arrays, ("mask", "input", "output", *deeper), request.precision)
        self._mask = pack_rows(arrays["mask"], packed)
        self._input = pack_rows(arrays["input"].reshape(-1, hidden), packed)
        self._output = pack_rows(arrays["output"].reshape(-1, hidden), packed)
        self._output_bias = arrays["output_bias"]
        # of no layers, an array of the right type
        self._deeper = np.concatenate([pack(arrays[name].T, packed) for name in deeper] or [self._mask[:0]])
        self._biases = np.zeros((layers + 1, padded(hidden)), np.float32)
        for k, name in enumerate(("input_bias", *(f"deeper_bias.{k}" for k in range(layers)))):
            self._biases[k, :hidden] = arrays[name]
        self._places = places(self.codec.shape)
        self._ordered = OrderedLanes(request, self.codec.shape)
        self._workers = Workers(request.threads)
        say_compiling("EoNADE")

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), **self._ordered.state()}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        self._ordered.begin(lanes, start, self.known[lanes[0]])

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        made = rows.copy()
        controls, lanes = self.controls, len(rows)

        def work(some: np.ndarray) -> None:
            _draw_images(
                some, np.uint64(self.request.seed), self._hidden, self._mask, self._input, self._output,
                self._output_bias, self._deeper, self._biases, self._places, self._ordered.order,
                self.image.reshape(lanes, -1), self.known.reshape(lanes, -1), self.index,
                controls.reshapes, controls.parameters, controls.allowed, controls.seen,
                self._ordered.log_probs.reshape(lanes, 2, -1), made,
            )  # fmt: skip

        self._workers.run(work, np.flatnonzero((rows > 0) & (self.row == 0)))
        self._ordered.hand_out(self.row, made, log_probs)
        return made

    def close(self) -> None:
        self._workers.close()


@inline
def _rectify(sums, hidden):
    for j in range(len(sums)):
        hidden[j] = max(sums[j], np.float32(0.0))


@kernel
def _draw_images(
    lanes, seed, hidden_size, mask, inputs, outputs, output_bias, deeper, biases, places, orders, image, known,
    index, reshapes, parameters, allowed, seen, log_probs, made,
):  # fmt: skip
    """Draw the whole images of `lanes`; `made` becomes 0 where the controls leave nothing to draw.

    Args:
        mask: packed rows of D times the padded F; inputs, outputs: of D · (L - 1). output_bias: (D, L - 1).
        deeper: the packed matrices of the deeper layers, one after another. biases: (layers, padded F).
        places: (D,) where a dimension lies in an image (C, H, W). orders: (B, D).
        image, known: (B, C·H·W). log_probs: (B, 2, C·H·W), or (B, 2, 0) if nobody wants them.
    """
    size = biases.shape[1]
    dims, others = output_bias.shape
    want_log_probs = log_probs.shape[2] > 0
    many = len(lanes)
    own = np.empty(many * size, np.float32)
    hidden, sums = np.zeros(many * size, np.float32), np.empty(many * size, np.float32)
    thresholds = np.empty((many, dims), np.float32)
    scratch, words = planes(), np.empty(4 * dims + 8, np.uint32)
    logits, work = np.empty(others + 1), np.empty((2, others + 1))
    order = np.empty(others + 1, np.int64)
    running = np.ones(many, np.bool_)
    for m in range(many):
        put(biases[0], own[m * size : (m + 1) * size])
        if others == 1:
            fill_thresholds(seed, index[lanes[m]], 0, scratch, words, thresholds[m])
    for t in range(dims):
        wanted = False
        for m in range(many):
            if not known[lanes[m], places[orders[lanes[m], t]]]:
                wanted = True
                _rectify(own[m * size : (m + 1) * size], hidden[m * size : (m + 1) * size])
        for layer in range(1, len(biases)):
            if not wanted:
                break
            for m in range(many):
                put(biases[layer], sums[m * size : (m + 1) * size])
            matrix = (layer - 1) * hidden_size * size
            matmul(hidden, 0, size, many, deeper, matrix, hidden_size, size, sums, size)
            _rectify(sums, hidden)
        for m in range(many):
            if not running[m]:
                continue
            lane = lanes[m]
            i = orders[lane, t]
            place = places[i]
            if known[lane, place]:
                level = np.int64(image[lane, place])
            else:
                level, log_prob, log_prob_drawn = UNDECIDED, 0.0, 0.0
                if others == 1:
                    logit = output_bias[i, 0] + dot(hidden, m * size, outputs, i * size, size)
                    if not reshapes[lane] and not want_log_probs:
                        level = decide(logit, thresholds[m, i])
                    if level == UNDECIDED:
                        level, log_prob, log_prob_drawn = draw_binary(
                            logit, lane, reshapes, parameters, allowed, seen, logits, order, work, seed, index,
                            i, want_log_probs,
                        )  # fmt: skip
                else:
                    logits[0] = 0.0
                    for k in range(others):
                        begin = (i * others + k) * size
                        logits[k + 1] = output_bias[i, k] + dot(hidden, m * size, outputs, begin, size)
                    level, log_prob, log_prob_drawn = draw(
                        logits, reshapes[lane], parameters[lane], allowed[lane], seen[lane], order, work,
                        uniform(seed, index[lane], np.uint64(i), _TOKEN), want_log_probs,
                    )  # fmt: skip
                if level < 0:
                    running[m] = False
                    made[lane] = 0
                    continue
                image[lane, place] = level
                if want_log_probs:
                    log_probs[lane, 0, place] = log_prob
                    log_probs[lane, 1, place] = log_prob_drawn
            add_row(own, m * size, mask, i * size, size)
            if level > 0:
                add_row(own, m * size, inputs, (i * others + level - 1) * size, size)
