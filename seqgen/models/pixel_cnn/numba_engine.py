"""The fused sampler of PixelCNNs: the vertical stack once per row, the horizontal stack once per pixel and colour.

Between rows, a lane keeps only the features of the last rows that the kernels reach; everything else belongs to the
current row and is scratch memory of the thread. The kernels are in `numba_rows` and `numba_pixels`.
Legend: B lanes, C colours, H rows, W columns, N rows per step, F channels, K features of the condition.
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
from seqgen.models.pixel_cnn.numba_packing import Sizes, pack_pixel_cnn
from seqgen.models.pixel_cnn.numba_pixels import advance, pixel_widths
from seqgen.models.pixel_cnn.numba_rows import Cache, row_widths
from seqgen.threads import Workers


class PixelCNNEngine(PixelEngine):
    """Samples `PixelCNN`s, gated and plain, on the CPU; lanes are spread over threads.

    Attributes:
        cache: the state of the lanes besides the images.
    """

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._conditions = Conditions.from_config(weights.config)
        s, lanes = Sizes.of(weights.config), request.lanes
        precision = request.precision
        packed = weights.packed(precision, lambda: pack_pixel_cnn(weights.arrays, s, precision))
        self._model = tuple(s), tuple(packed)
        self.cache = Cache(
            rows=np.zeros((lanes, s.layers - 1, s.side, s.columns + 2 * s.side, s.channels), np.float32),
            features=np.zeros((lanes, s.features), np.float32),
            guide=np.zeros((lanes, s.guide_colours, s.guide_rows, s.guide_columns), np.uint8),
        )
        self.workers: Workers = Workers(request.threads)
        threads = min(request.threads, lanes)
        # memory per thread: for the row of one lane, and for the pixels of all its lanes
        sizes = sum(row_widths(s)), -(-lanes // threads) * sum(pixel_widths(s))
        self._sizes = sizes
        self._scratch = [self._memory() for _ in range(threads)]
        say_compiling("PixelCNN")

    def _memory(self) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros(size, np.float32) for size in self._sizes)

    @property
    def nbytes(self) -> int:
        """Return the bytes of all caches and scratch, that is, of everything except weights and images."""
        scratch = sum(array.nbytes for memory in self._scratch for array in memory)
        return scratch + sum(array.nbytes for array in self.cache)

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), **self.cache._asdict()}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        features, guide = self._conditions.parse(start.condition)
        self.cache.rows[lanes] = 0
        self.cache.features[lanes] = features
        if self.cache.guide.size:
            self.cache.guide[lanes] = guide

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        out = RowArrays(log_probs, np.zeros(len(rows), np.int64))
        noise = np.uint64(self.request.seed), np.uint64(self.noise_offset)
        pixels, cache, controls = tuple(self.pixels), tuple(self.cache), self.controls.for_kernels()

        def work(lanes: np.ndarray) -> None:
            try:
                memory = self._scratch.pop()
            except IndexError:  # an interrupted thread has kept its memory
                memory = self._memory()
            advance(self._model, memory, lanes, rows[lanes], noise, pixels, cache, controls, tuple(out))
            self._scratch.append(memory)

        self.workers.run(work, np.flatnonzero(rows))
        return out.made
