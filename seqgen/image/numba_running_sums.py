"""The base of the fused engines of FVSBN and NADE, which add one row of weights per pixel to running sums.

Legend: B lanes, S running sums.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request, Start
from seqgen.engines.requirements import require_no_condition
from seqgen.image.read_ahead import ReadAheadEngine
from seqgen.kernels.compile import say_compiling
from seqgen.kernels.packing import Packer
from seqgen.threads import Workers


class RunningSumsEngine(ReadAheadEngine):
    """Draws rows in raster order with a kernel, and spreads lanes over threads.

    A family defines `title`, `rows_kernel` (a static method) and `_pack`.

    Attributes:
        title: the family's name in the message that its kernel is compiled.
        rows_kernel: draws rows; takes (packed, lanes, rows, seed, pixels, sums, controls, out).
        sums: (B, S) float32, the running sums of the lanes before their next row.
    """

    name = "numba"
    title: ClassVar[str]
    rows_kernel: ClassVar[Callable[..., None]]

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        precision = request.precision
        self._packed, self._start = weights.packed(
            precision, lambda: self._pack(Packer(weights.arrays, precision), weights.config)
        )
        self._seed = np.uint64(request.seed)
        self._allocate()
        self._prepare()
        self.workers: Workers = Workers(request.threads)
        say_compiling(self.title)

    def _allocate(self) -> None:
        self.sums = np.zeros((self.request.lanes, len(self._start)), np.float32)
        # the arrays of the lanes stay the same objects: they are put together once, as an image takes microseconds
        self._state = tuple(self.pixels.flat()), self.sums

    @abstractmethod
    def _pack(self, packer: Packer, config: Mapping[str, Any]) -> tuple[tuple[Any, ...], np.ndarray]:
        """Return what the kernel reads of the weights, and the running sums (S,) float32 before the first pixel."""

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "sums": self.sums}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        require_no_condition(start)
        self.sums[lanes] = self._start

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        made = np.zeros(len(rows), np.int64)
        pixels, sums = self._state
        controls = self.controls.for_kernels()
        kernel, packed, seed, out = self.rows_kernel, self._packed, self._seed, (log_probs, made)

        def work(some: np.ndarray) -> None:
            kernel(packed, some, rows, seed, pixels, sums, controls, out)

        self.workers.run(work, rows.nonzero()[0])
        return made

    def _replay(self, image: np.ndarray, rows: int) -> None:
        known, ahead = self.known[0].copy(), self.image[0, :, rows:].copy()
        # of pixels that are known, the kernel only adds the weights
        self.known[0], self.image[0] = True, image
        self._draw(np.array([rows]), self._no_log_probs)
        self.known[0], self.image[0, :, rows:] = known, ahead
