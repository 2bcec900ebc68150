"""The reference sampler of NADE: running sums of the hidden units, to which every level but 0 adds its column."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from seqgen.image.one_by_one import OneByOneEngine


class NADEEngine(OneByOneEngine):
    """Samples a `NADE` with PyTorch; a lane's running sums are those of the F hidden units."""

    def _start(self) -> Tensor:
        bias: Tensor = self.model.input_bias
        return bias

    def _logits(self, sums: Tensor, dimensions: Tensor) -> Tensor:
        hidden = torch.sigmoid(sums)[:, None]
        logits = (hidden * self.model.output[dimensions]).sum(-1) + self.model.output_bias[dimensions]
        return pad(logits, (1, 0))

    def _take(self, sums: Tensor, dimensions: Tensor, levels: Tensor) -> Tensor:
        columns = pad(self.model.input[dimensions], (0, 0, 1, 0))
        return sums + columns[torch.arange(len(levels), device=levels.device), levels]
