"""The reference sampler of FVSBN: running logits, to which every pixel of level 1 adds its column of the weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import pad

from seqgen.checkpoint import Weights
from seqgen.engine import Request
from seqgen.image.one_by_one import OneByOneEngine


class FVSBNEngine(OneByOneEngine):
    """Samples an `FVSBN` with PyTorch; a lane's running sums are the D logits given the pixels drawn so far."""

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request, model=model)
        self._columns = self.model.matrix().detach().T.contiguous()

    def _start(self) -> Tensor:
        bias: Tensor = self.model.bias
        return bias

    def _logits(self, sums: Tensor, dimensions: Tensor) -> Tensor:
        return pad(sums.gather(1, dimensions[:, None]), (1, 0))

    def _take(self, sums: Tensor, dimensions: Tensor, levels: Tensor) -> Tensor:
        return sums + levels[:, None] * self._columns[dimensions]
