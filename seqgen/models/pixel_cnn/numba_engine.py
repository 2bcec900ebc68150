"""The fused sampler of PixelCNNs: the vertical stack once a row, the horizontal stack once a pixel and colour.

Between rows a lane keeps only the features of the last rows that the kernels reach; all else belongs to the row at
hand and is shared scratch of the thread. The kernels are in `pixel_cnn_rows` and `pixel_cnn_pixels`.
Legend: B lanes, C colours, H rows, W columns, N rows of a round, F channels, K features of the condition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.conditions.image import Conditions
from seqgen.engine import Request, Start
from seqgen.image.engine import PixelEngine
from seqgen.kernels.compile import say_compiling
from seqgen.models.pixel_cnn.numba_packing import Sizes, pack_pixel_cnn
from seqgen.models.pixel_cnn.numba_pixels import advance, pixel_widths
from seqgen.models.pixel_cnn.numba_rows import row_widths
from seqgen.threads import Workers


class PixelCNNEngine(PixelEngine):
    """Samples `PixelCNN`s, gated and plain, on the CPU; lanes are spread over threads.

    Attributes:
        rows: (B, layers - 1, side, W + 2 side, F) float32, the inputs of all layers but the first in the last
            `side` rows: row h is in place h mod `side`.
        features: (B, K) float32, guide: (B, C', H', W') uint8: the condition.
    """

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._conditions = Conditions.from_config(weights.config)
        self.sizes = s = Sizes.of(weights.config)
        self._packed = pack_pixel_cnn(weights.arrays, s, request.precision)
        lanes = request.lanes
        self.rows = np.zeros((lanes, s.layers - 1, s.side, s.columns + 2 * s.side, s.channels), np.float32)
        self.features = np.zeros((lanes, s.features), np.float32)
        self.guide = np.zeros((lanes, s.guide_colours, s.guide_rows, s.guide_columns), np.uint8)
        self._workers = Workers(request.threads)
        threads = min(request.threads, lanes)
        # memory of each thread: for the row of one lane, and for the pixels of all its lanes
        sizes = sum(row_widths(s)), -(-lanes // threads) * sum(pixel_widths(s))
        self._scratch = [[np.zeros(size, np.float32) for size in sizes] for _ in range(threads)]
        say_compiling("PixelCNN")

    @property
    def nbytes(self) -> int:
        """Bytes of all caches and scratch, that is of everything but the weights and the images."""
        scratch = sum(array.nbytes for pair in self._scratch for array in pair)
        return scratch + self.rows.nbytes + self.features.nbytes + self.guide.nbytes

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "rows": self.rows, "features": self.features, "guide": self.guide}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        features, guide = self._conditions.parse(start.condition)
        self.rows[lanes] = 0
        self.features[lanes] = features
        if self.guide.size:
            self.guide[lanes] = guide

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        made = np.zeros(len(rows), np.int64)
        seed, offset = np.uint64(self.request.seed), np.uint64(self.noise_offset)
        flat = self.rows.reshape(-1)
        sizes, packed, controls = tuple(self.sizes), tuple(self._packed), self.controls

        def work(lanes: np.ndarray) -> None:
            row_memory, pixel_memory = self._scratch.pop()
            advance(
                sizes, packed, row_memory, pixel_memory, seed, offset, lanes, rows[lanes], self.image,
                self.known, self.row, self.index, self.features, self.guide, flat, controls.reshapes,
                controls.parameters, controls.allowed, controls.seen, log_probs, made,
            )  # fmt: skip
            self._scratch.append([row_memory, pixel_memory])

        self._workers.run(work, np.flatnonzero(rows))
        return made

    def close(self) -> None:
        self._workers.close()
