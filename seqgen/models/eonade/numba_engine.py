"""The fused sampler of EoNADE: draws whole images in any order and keeps running sums of the first hidden layer.

A dimension costs two row additions, an inner product per level except the first, and a matrix product per deeper layer,
which is computed for all lanes of a thread together.
Legend: B lanes, F hidden units, D dimensions, L levels.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request, Start
from seqgen.image.numba_binary import UNDECIDED, decide, fill_thresholds
from seqgen.image.numba_lanes import PixelState
from seqgen.image.numba_raster import places
from seqgen.image.read_ahead import ReadAheadEngine
from seqgen.kernels.compile import inline, kernel, say_compiling
from seqgen.kernels.dots import add_row, dot
from seqgen.kernels.draw import draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.loops import put
from seqgen.kernels.packing import Packer, padded_vector
from seqgen.kernels.random import uniform
from seqgen.kernels.vector import matmul
from seqgen.kernels.words import planes
from seqgen.models.eonade.lanes import OrderedLanes
from seqgen.rng import Purpose
from seqgen.threads import Workers

_TOKEN = int(Purpose.TOKEN)


class Packed(NamedTuple):
    """The weights and sizes that the kernel reads.

    Attributes:
        hidden: F. size: F padded to whole blocks.
        matrices: packed rows of `size`, D of them from mask_at and D · (L - 1) from inputs_at and outputs_at on; then
            the matrices of the deeper layers, one after another from deeper_at on.
        biases: (layers, size), of the hidden layers. output_bias: (D, L - 1).
        places: (D,), the place of each dimension in an image (C, H, W).
    """

    hidden: int
    size: int
    matrices: np.ndarray
    mask_at: int
    inputs_at: int
    outputs_at: int
    deeper_at: int
    biases: np.ndarray
    output_bias: np.ndarray
    places: np.ndarray


class EoNADEEngine(ReadAheadEngine):
    """Samples `EoNADE`s on the CPU; lanes are spread over threads."""

    name = "numba"
    completes: ClassVar[str] = "any"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._packed = weights.packed(request.precision, lambda: self._pack(weights, request.precision))
        self._allocate()
        self._prepare()
        self.workers: Workers = Workers(request.threads)
        say_compiling("EoNADE")

    def _pack(self, weights: Weights, precision: str) -> tuple[Any, ...]:
        hidden, deeper = int(weights.config["hidden_size"]), range(int(weights.config["layers"]) - 1)
        packer = Packer(weights.arrays, precision)
        mask_at, inputs_at, outputs_at = (
            packer.add_rows(packer[name].reshape(-1, hidden)) for name in ("mask", "input", "output")
        )
        deeper_at = [packer.add(packer[f"deeper.{k}"].T) for k in deeper]
        names = ("input_bias", *(f"deeper_bias.{k}" for k in deeper))
        biases = np.stack([padded_vector(packer[name]) for name in names])
        packed = Packed(
            hidden, biases.shape[1], packer.matrices(), mask_at, inputs_at, outputs_at,
            deeper_at[0] if deeper_at else 0, biases, packer["output_bias"], places(self.codec.shape),
        )  # fmt: skip
        return tuple(packed)

    def _allocate(self) -> None:
        self._ordered = OrderedLanes(self.request, self.codec.shape)

    def _multiply_adds(self) -> int:
        packed = Packed(*self._packed)
        size, deeper = packed.hidden, len(packed.biases) - 1
        return int(np.prod(self.codec.shape)) * size * (self.codec.levels + deeper * size)

    def _replay(self, image: np.ndarray, rows: int) -> None:
        # the whole image is drawn when its first row is asked for
        self.image[0] = image

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), **self._ordered.state()}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        self._ordered.begin(lanes, start, self.known[lanes[0]])

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        made, order = rows.copy(), self._ordered.order
        seed, pixels = np.uint64(self.request.seed), tuple(self.pixels.flat())
        controls = self.controls.for_kernels()
        kept = self._ordered.log_probs.reshape(len(rows), 2, -1)
        self.workers.run(
            lambda some: draw_images(self._packed, some, seed, pixels, order, controls, kept, made),
            np.flatnonzero((rows > 0) & (self.row == 0)),
        )
        self._ordered.copy_rows(self.row, made, log_probs)
        return made


@inline
def _rectify(sums, hidden):
    for j in range(len(sums)):
        hidden[j] = max(sums[j], np.float32(0.0))


@kernel
def draw_images(packed, lanes, seed, pixels, orders, controls, log_probs, made):
    """Draw the whole images of `lanes`; `made` (B,) becomes 0 where the controls leave nothing to draw.

    `packed`, `pixels` (flat) and `controls` are `Packed`, `PixelState` and `LaneControlArrays` as plain tuples.

    Args:
        orders: (B, D). log_probs: (B, 2, C·H·W), or (B, 2, 0) if they are not requested.
    """
    p, pixels, controls = Packed(*packed), PixelState(*pixels), LaneControlArrays(*controls)
    size, places, biases = p.size, p.places, p.biases
    matrices, inputs_at, outputs_at, output_bias = p.matrices, p.inputs_at, p.outputs_at, p.output_bias
    image, known, _, index = pixels
    dims, others = output_bias.shape
    want_log_probs = log_probs.shape[2] > 0
    many = len(lanes)
    own = np.empty(many * size, np.float32)
    hidden, sums = np.zeros(many * size, np.float32), np.empty(many * size, np.float32)
    thresholds = np.empty((many, dims), np.float32)
    noise, words = planes(), np.empty(4 * dims + 8, np.uint32)
    scratch = draw_scratch(others + 1)
    logits = scratch.logits
    running = np.ones(many, np.bool_)
    for m in range(many):
        put(biases[0], own[m * size : (m + 1) * size])
        if others == 1:
            fill_thresholds(seed, index[lanes[m]], 0, noise, words, thresholds[m])
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
            matrix = p.deeper_at + (layer - 1) * p.hidden * size
            matmul(hidden, 0, size, many, matrices, matrix, p.hidden, size, sums, size)
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
                    logit = output_bias[i, 0] + dot(hidden, m * size, matrices, outputs_at + i * size, size)
                    logits[1] = logit
                    if not controls.reshapes[lane] and not want_log_probs:
                        level = decide(logit, thresholds[m, i])
                else:
                    for k in range(others):
                        begin = outputs_at + (i * others + k) * size
                        logits[k + 1] = output_bias[i, k] + dot(hidden, m * size, matrices, begin, size)
                if level == UNDECIDED:
                    logits[0] = 0.0
                    u = uniform(seed, index[lane], np.uint64(i), _TOKEN)
                    level, log_prob, log_prob_drawn = draw(scratch, controls, lane, u, want_log_probs)
                if level < 0:
                    running[m] = False
                    made[lane] = 0
                    continue
                image[lane, place] = level
                if want_log_probs:
                    log_probs[lane, 0, place] = log_prob
                    log_probs[lane, 1, place] = log_prob_drawn
            add_row(own, m * size, matrices, p.mask_at + i * size, size)
            if level > 0:
                add_row(own, m * size, matrices, inputs_at + (i * others + level - 1) * size, size)
