"""The base of the reference engines of FVSBN, NADE and EoNADE, which draw one dimension after another, in numpy.

They run in the module's dtype and on its device. The last bits of PyTorch's sums depend on the batch. In float64, lanes
are therefore computed one by one, so that samples are identical in any batch; in float32 they are computed together,
and samples are identical up to rounding.
Legend: B lanes, L levels, D dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqgen import rng
from seqgen.checkpoint import Weights
from seqgen.controls import log_softmax
from seqgen.engine import Request, Start
from seqgen.engines.reference_model import private_model
from seqgen.engines.requirements import require_no_condition
from seqgen.image.engine import PixelEngine


class OneByOneEngine(PixelEngine):
    """Draws rows dimension by dimension in raster order. A family implements `_start`, `_logits` and `_take`.

    Attributes:
        model: a private copy, which is unaffected by further training.
        sums: (B, ...) running sums of the lanes, in the model's dtype.
    """

    name = "torch"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self.model = private_model(weights, request, model)
        self._device = self.model.parameter_like().device
        start = self._start().detach()
        self.sums = np.zeros((request.lanes, *start.shape), start.cpu().numpy().dtype)

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "sums": self.sums}

    @abstractmethod
    def _start(self) -> Tensor:
        """Return the running sums before the first dimension."""

    @abstractmethod
    def _logits(self, sums: Tensor, dimensions: Tensor) -> Tensor:
        """Return the logits (n, L) of one dimension of each of n lanes."""

    @abstractmethod
    def _take(self, sums: Tensor, dimensions: Tensor, levels: Tensor) -> Tensor:
        """Return the running sums (n, ...) of n lanes, updated with the level of one dimension of each."""

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        require_no_condition(start)
        self.sums[lanes] = self._start().detach().cpu().numpy()

    @torch.no_grad()
    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        colours, _, columns = self.codec.shape
        for step in range(int(rows.max(initial=0)) * colours * columns):
            row, within = divmod(step, colours * columns)
            column, colour = divmod(within, colours)
            lanes = np.flatnonzero(rows > row)
            kept = log_probs[:, :, row, colour, column] if self.request.log_probs else None
            self._step(lanes, self.row[lanes] * colours * columns + step, kept)
        return rows.copy()

    def _step(self, lanes: np.ndarray, dimensions: np.ndarray, kept: np.ndarray | None) -> None:
        """Draw one dimension of each of `lanes`; the log-probabilities are stored in `kept` (2, B)."""
        if self.sums.dtype == np.float64 and len(lanes) > 1:
            for lane, dimension in zip(lanes[:, None], dimensions[:, None], strict=True):
                self._step(lane, dimension, kept)
            return
        colours, _, columns = self.codec.shape
        pixels, colour = np.divmod(dimensions, colours)
        where = (lanes, colour, *np.divmod(pixels, columns))
        # clone, because the last bit of sums may depend on the alignment of their operands
        sums = torch.as_tensor(self.sums[lanes], device=self._device).clone()
        asked = torch.as_tensor(dimensions, device=self._device)
        logits = self._logits(sums, asked).double().cpu().numpy()
        uniforms = rng.uniforms(
            self.request.seed, self.index[lanes], dimensions.astype(np.uint64), rng.Purpose.TOKEN
        )
        levels = self.image[where].astype(np.int64)
        for k in np.flatnonzero(~self.known[where]):
            drawn = self.controls.of(lanes[k]).apply(logits[k], self.controls.seen[lanes[k]])
            levels[k] = rng.categorical(np.exp(drawn), uniforms[k])
            if kept is not None:
                kept[:, lanes[k]] = log_softmax(logits[k])[levels[k]], drawn[levels[k]]
        self.image[where] = levels
        taken = torch.as_tensor(levels, device=self._device)
        self.sums[lanes] = self._take(sums, asked, taken).cpu().numpy()
