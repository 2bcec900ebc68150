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
from seqgen.image.engine import PixelEngine
from seqgen.image.numba_lanes import RowArrays
from seqgen.kernels.compile import say_compiling
from seqgen.kernels.packing import Packer
from seqgen.threads import Workers


class RunningSumsEngine(PixelEngine):
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
        self.sums = np.zeros((request.lanes, len(self._start)), np.float32)
        self.workers: Workers = Workers(request.threads)
        say_compiling(self.title)

    @abstractmethod
    def _pack(self, packer: Packer, config: Mapping[str, Any]) -> tuple[tuple[Any, ...], np.ndarray]:
        """Return what the kernel reads of the weights, and the running sums (S,) float32 before the first pixel."""

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "sums": self.sums}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        require_no_condition(start)
        self.sums[lanes] = self._start

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        out = RowArrays(log_probs, np.zeros_like(rows))
        seed, pixels = np.uint64(self.request.seed), tuple(self.pixels.flat())
        controls = tuple(self.controls.arrays)
        self.workers.run(
            lambda some: self.rows_kernel(
                self._packed, some, rows, seed, pixels, self.sums, controls, tuple(out)
            ),
            np.flatnonzero(rows),
        )
        return out.made
