"""The fused sampler of PixelRNNs: products, gates, controls, random numbers and draw of an image's rows in one kernel.

The contributions of the rows above are computed for all columns at once when a row begins; per pixel, only what depends
on its own row is computed. The lanes of a thread are processed together, so that weights are read once for all of them;
their sums are separate. Between rows, a lane keeps the states of the row above, and the cells of a Row LSTM.
Legend: B lanes, M of them in a thread, C colours, W columns, F units, D = 2F features; sizes in `Sizes`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.conditions.image import Conditions
from seqgen.engine import Request, Start
from seqgen.image.engine import PixelEngine
from seqgen.image.numba_lanes import RowArrays
from seqgen.kernels.compile import say_compiling
from seqgen.models.pixel_rnn.numba_kernel import Cache, draw_rows
from seqgen.models.pixel_rnn.numba_packing import Sizes, pack_pixel_rnn
from seqgen.threads import Workers


class PixelRNNEngine(PixelEngine):
    """Samples `PixelRNN`s on the CPU; lanes are spread over threads.

    Attributes:
        cache: the state of the lanes besides the images.
    """

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._conditions = Conditions.from_config(weights.config)
        s, lanes = Sizes.of(weights.config), request.lanes
        precision = request.precision
        packed = weights.packed(precision, lambda: pack_pixel_rnn(weights.arrays, s, precision))
        self._model = tuple(s), tuple(packed)
        self.cache = Cache(
            states=np.zeros((lanes, s.layers, (s.columns + 2 * s.side) * s.units), np.float32),
            cells=np.zeros((lanes, s.layers, (1 if s.diagonal else s.columns) * s.units), np.float32),
            left=np.zeros((lanes, s.layers, s.columns * s.units * s.diagonal), np.float32),
        )
        self.workers: Workers = Workers(request.threads)
        say_compiling("PixelRNN")

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), **self.cache._asdict()}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        self._conditions.parse(start.condition)
        for array in self.cache:
            array[lanes] = 0

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        out, seed = RowArrays(log_probs, rows.copy()), np.uint64(self.request.seed)
        pixels, cache, controls = tuple(self.pixels), tuple(self.cache), self.controls.for_kernels()
        self.workers.run_longest_first(
            lambda part: draw_rows(self._model, part, rows[part], seed, pixels, cache, controls, tuple(out)),
            rows,
        )
        return out.made
