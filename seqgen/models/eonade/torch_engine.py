"""The reference sampler of EoNADE: running sums of the first layer, to which every dimension adds its columns."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from seqgen.checkpoint import Weights
from seqgen.engine import Request, Start
from seqgen.image.one_by_one import OneByOneEngine
from seqgen.models.eonade.lanes import OrderedLanes


class EoNADEEngine(OneByOneEngine):
    """Samples an `EoNADE` with PyTorch; a lane's running sums are those of the first hidden layer."""

    completes: ClassVar[str] = "any"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request, model=model)
        self._ordered = OrderedLanes(request, self.codec.shape)

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), **self._ordered.state()}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        self._ordered.begin(lanes, start, self.known[lanes[0]])
        self.sums[lanes] = self._start().detach().cpu().numpy()

    @torch.no_grad()
    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        lanes = np.flatnonzero((rows > 0) & (self.row == 0))
        colours, _, columns = self.codec.shape
        for step in range(self._ordered.order.shape[1]):
            dimensions = self._ordered.order[lanes, step]
            kept = np.zeros((2, len(rows))) if self.request.log_probs else None
            self._step(lanes, dimensions, kept)
            if kept is not None:
                pixels, colour = np.divmod(dimensions, colours)
                self._ordered.log_probs[lanes, :, colour, *np.divmod(pixels, columns)] = kept[:, lanes].T
        self._ordered.copy_rows(self.row, rows, log_probs)
        return rows.copy()

    def _start(self) -> Tensor:
        bias: Tensor = self.model.input_bias
        return bias

    def _logits(self, sums: Tensor, dimensions: Tensor) -> Tensor:
        hidden = self.model.top(sums)[:, None]
        logits = (hidden * self.model.output[dimensions]).sum(-1) + self.model.output_bias[dimensions]
        return pad(logits, (1, 0))

    def _take(self, sums: Tensor, dimensions: Tensor, levels: Tensor) -> Tensor:
        taken: Tensor = sums + self.model.columns(dimensions, levels)
        return taken
