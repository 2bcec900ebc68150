"""The fused sampler of PixelCNN++: network, mixture, controls, random numbers and draw in one loop over the pixels.

Lanes at the same row are computed together, so that weights are read from memory once for all of them.
Legend: B lanes, C colours, H rows, W columns, N rows per step.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.conditions.image import Conditions
from seqgen.engine import Request, Start
from seqgen.image.engine import PixelEngine
from seqgen.image.numba_lanes import PixelState, RowArrays
from seqgen.kernels.compile import inline, kernel, say_compiling
from seqgen.kernels.draw import draw, draw_scratch
from seqgen.kernels.lanes import LaneControlArrays
from seqgen.kernels.packing import Packer
from seqgen.kernels.random import uniform
from seqgen.models.pixel_cnn_pp.numba_layers import (
    head,
    one_pixel,
    read_left,
    read_rows,
    row_above,
    scratch_for,
    vertical_row,
)
from seqgen.models.pixel_cnn_pp.numba_logistics import (
    begin_colour,
    begin_pixel,
    learn,
    level_below,
    level_log_probs,
    mixture_of,
)
from seqgen.models.pixel_cnn_pp.numba_packing import Packed, PixelCNNppPacker
from seqgen.models.pixel_cnn_pp.numba_parts import pad
from seqgen.models.pixel_cnn_pp.numba_scoring import score
from seqgen.rng import Purpose
from seqgen.threads import Workers

_TOKEN = int(Purpose.TOKEN)


class Cache(NamedTuple):
    """The state of the lanes besides the images.

    Attributes:
        kept: (B, kept) float32, one row of inputs per convolution.
        shifts: (B, blocks · 2F) float32, the contribution of the lane's condition to each block.
    """

    kept: np.ndarray
    shifts: np.ndarray


class Scores:
    """The network in float64, which scores the rows that were drawn; see `numba_scoring`.

    Args:
        packed: from `pack_scores`. shape: of `shifts`.

    Attributes:
        kept, shifts: as in `Cache`, in float64.
    """

    def __init__(self, packed: Packed, shape: tuple[int, ...]) -> None:
        self.packed = tuple(packed)
        self.kept, self.shifts = np.zeros((shape[0], packed.kept)), np.zeros(shape)

    def run(
        self, lanes: np.ndarray, count: int, pixels: PixelState, reshapes: np.ndarray, out: RowArrays
    ) -> None:
        """Write the log-probabilities of the rows that were drawn in a step of `count` rows to `out`."""
        score(self.packed, lanes, count, tuple(pixels), self.kept, self.shifts, reshapes, tuple(out))


def pack_scores(weights: Weights, features: int, precision: str) -> Packed:
    """Pack the parameters as they are used for drawing at a precision, in float64."""
    used = Packer(weights.arrays, precision).arrays
    single = PixelCNNppPacker(used, weights.config, features, "float32").packed
    return single._replace(
        matrices=single.matrices.astype(np.float64), biases=single.biases.astype(np.float64)
    )


class PixelCNNppEngine(PixelEngine):
    """Samples `PixelCNNpp`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        config = weights.config
        self._conditions = Conditions.from_config(config)
        features, precision = self._conditions.features, request.precision

        def pack() -> tuple[Packed, np.ndarray]:
            packer = PixelCNNppPacker(weights.arrays, config, features, precision)
            return packer.packed, packer.conditions

        packed, self._products = weights.packed(precision, pack)
        self._packed = tuple(packed)
        blocks, shifted, _ = self._products.shape
        self.cache = Cache(
            kept=np.zeros((request.lanes, packed.kept), np.float32),
            shifts=np.zeros((request.lanes, blocks * shifted), np.float32),
        )
        self.scores = None
        if request.log_probs:
            exact = weights.packed(
                precision, lambda: pack_scores(weights, features, precision), what="scores"
            )
            self.scores = Scores(exact, self.cache.shifts.shape)
        self.workers: Workers = Workers(request.threads)
        say_compiling("PixelCNN++")

    def state(self) -> dict[str, np.ndarray]:
        scores = (
            {} if self.scores is None else {"scored": self.scores.kept, "scored_shifts": self.scores.shifts}
        )
        return {**super().state(), **self.cache._asdict(), **scores}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        features = self._conditions.parse(start.condition)[0].astype(np.float64)
        shifts = (self._products * features).sum(-1).ravel()
        self.cache.shifts[lanes] = shifts.astype(np.float32)
        self.cache.kept[lanes] = 0
        if self.scores is not None:
            self.scores.shifts[lanes] = shifts
            self.scores.kept[lanes] = 0

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        out = RowArrays(log_probs, np.zeros(len(rows), np.int64))
        running = np.flatnonzero(rows)
        for row, count in sorted({(int(self.row[lane]), int(rows[lane])) for lane in running}):
            together = running[(self.row[running] == row) & (rows[running] == count)]
            self.workers.run(partial(self._run, count=count, out=out), together)
        return out.made

    def _run(self, lanes: np.ndarray, count: int, out: RowArrays) -> None:
        pixels, cache, controls = tuple(self.pixels), tuple(self.cache), self.controls.for_kernels()
        advance(self._packed, lanes, count, np.uint64(self.request.seed), pixels, cache, controls, tuple(out))
        if self.scores is not None:
            self.scores.run(lanes, count, self.pixels, self.controls.reshapes, out)


@kernel
def advance(packed, lanes, count, seed, pixels, cache, controls, out):
    """Draw `count` rows of `lanes`, which are all at the same row; out.made[lane] is set to the number of rows drawn.

    `Packed`, `PixelState`, `Cache`, `LaneControlArrays` and `RowArrays` are passed as plain tuples.
    """
    p, pixels, cache = Packed(*packed), PixelState(*pixels), Cache(*cache)
    controls, out = LaneControlArrays(*controls), RowArrays(*out)
    many, colours, columns = len(lanes), p.inputs - 1, p.columns
    scratch = scratch_for(p, many)
    for m in range(many):
        for j in range(p.kept):
            scratch.own[m * p.kept + j] = cache.kept[lanes[m], j]
    head_width = pad(p.outputs)
    raw = np.empty(many * head_width, np.float32)
    mixture, for_draw = mixture_of(p.levels, p.mixtures), draw_scratch(p.levels)
    possible = np.ones(many, np.bool_)
    first = pixels.row[lanes[0]]
    for n in range(count):
        row = first + n
        for m in range(many):
            lane = lanes[m]
            read_rows(pixels.image[lane], row, p.levels, scratch.pixels)
            vertical_row(p, scratch, row, m, cache.shifts[lane])
            row_above(p, scratch, row, m, cache.shifts[lane])
        for column in range(columns):
            unknown = read_left(p, scratch.left, pixels, lanes, row, column)
            one_pixel(p, scratch, row, column, many)
            if not unknown:
                continue
            head(p, scratch, many, raw)
            for m in range(many):
                lane, at = lanes[m], m * head_width
                begin_pixel(mixture, raw, at)
                drawn = pixels.image[lane, :, row, column]
                for colour in range(colours):
                    begin_colour(mixture, raw, at, colour, drawn)
                    if not pixels.known[lane, colour, row, column] and possible[m]:
                        position = np.uint64((row * columns + column) * colours + colour)
                        u = uniform(seed, pixels.index[lane], position, _TOKEN)
                        level = _draw_colour(mixture, for_draw, controls, lane, u, out, (n, colour, column))
                        if level < 0:
                            possible[m] = False
                            level = 0
                        drawn[colour] = level
                    if colour + 1 < colours:
                        learn(mixture, np.int64(drawn[colour]))
        for m in range(many):
            if possible[m]:
                out.made[lanes[m]] = n + 1
    for m in range(many):
        for j in range(p.kept):
            cache.kept[lanes[m], j] = scratch.own[m * p.kept + j]


@inline
def _draw_colour(mixture, scratch, controls, lane, u, out, place):
    """Draw a colour of a lane, -1 if nothing can be drawn; place is (row, colour, column).

    Only the log-probability under controls is written, `numba_scoring` computes the other.
    """
    if not controls.reshapes[lane]:
        return level_below(mixture, u)
    n, colour, column = place
    wanted = out.log_probs.shape[2] > 0
    level_log_probs(mixture, scratch.logits)
    level, _, log_prob_drawn = draw(scratch, controls, lane, u, wanted)
    if wanted:
        out.log_probs[1, lane, n, colour, column] = log_prob_drawn
    return level
