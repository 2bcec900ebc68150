"""NADE, the neural autoregressive distribution estimator (Larochelle and Murray 2011; Uria et al. 2016, arXiv
1605.02226; Zhou, lecture 22, "NADE"): one hidden layer per dimension, with shared weights,

    h_i = sigmoid(c + Σ_{j<i} w_j x_j),    p(x_i = 1 | x_<i) = sigmoid(v_i · h_i + b_i).

The lecture's A_i are the first i - 1 columns w_j of the shared matrix. With more levels, each level except 0 of a
dimension has its own column, and the sigmoid is replaced by a softmax over the levels, where level 0 has logit 0; with
two levels this equals the equations above. The sums over j are accumulated, so a likelihood costs O(D·F).
Shapes: B batch, C colours, H rows, W columns, L levels, D = C·H·W dimensions, F hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from seqgen.checks import seed_number
from seqgen.conditions.image import Conditions
from seqgen.image.model import ImageModel
from seqgen.image.raster import image_codec, to_images, to_vectors
from seqgen.models.nade.schema import CONFIGURATION

BLOCK = 16
"""Number of dimensions computed together: enough for matrix products, few enough for the cache."""


class NADE(ImageModel):
    """A neural autoregressive distribution estimator over images.

    Args:
        dimensions: D, pixels times colours.
        hidden_size: F, number of hidden units.
        levels: values a pixel may take, 0 to levels - 1; 2 to 256.
        shape: (colours, rows, columns); None is a square of one colour, or one row if D is not a square number.
        seed: seed of the initial weights.

    Example:
        >>> model = NADE(16, 8, levels=4)
        >>> model.log_prob([[0] * 16] * 3).shape
        torch.Size([3])
        >>> model.sample(2, seed=1).shape
        (2, 1, 4, 4)
    """

    family = "nade"

    def __init__(
        self, dimensions: int = 784, hidden_size: int = 500,
        *, levels: int = 2, shape: Sequence[int] | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.codec = image_codec(dimensions, shape, levels)
        self.conditions = Conditions.checked(self.codec)
        given = CONFIGURATION.check(self.codec, dimensions=dimensions, hidden_size=hidden_size)
        self.dimensions, self.hidden_size = size, hidden = given["dimensions"], given["hidden_size"]
        generator = torch.Generator().manual_seed(seed_number(seed))
        spread = hidden**-0.5
        columns = (size, self.codec.levels - 1, hidden)
        self.input = nn.Parameter(spread * torch.randn(columns, generator=generator))
        self.input_bias = nn.Parameter(torch.zeros(hidden))
        self.output = nn.Parameter(spread * torch.randn(columns, generator=generator))
        self.output_bias = nn.Parameter(torch.zeros(columns[:2]))

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the logits (B, C, L, H, W) of every pixel given those before it; those of level 0 are 0."""
        with torch.autocast(x.device.type, enabled=False):
            fused = self.input.dtype == torch.float32 and self.input.device.type == "cpu"
            logits = self.fused(to_vectors(x)) if fused else self.in_blocks(to_vectors(x))
        return to_images(pad(logits, (1, 0)), self.codec.shape)

    def fused(self, x: Tensor) -> Tensor:
        """Return the logits (B, D, L - 1) of levels (B, D) on the CPU in float32, by the loops of `numba_gradient`."""
        logits: Tensor = _Fused.apply(x, self.input, self.input_bias, self.output, self.output_bias)
        return logits

    def in_blocks(self, x: Tensor) -> Tensor:
        """Return the same logits by PyTorch operations, in any dtype and on any device."""
        sums = self.input_bias.expand(len(x), -1)
        parts = []
        for first in range(0, self.dimensions, BLOCK):
            block = slice(first, first + BLOCK)
            inside, sums = self._sums(x[:, block], self.input[block], sums)
            hidden = torch.sigmoid(inside)[:, :, None]
            parts.append((hidden * self.output[block]).sum(-1) + self.output_bias[block])
        return torch.cat(parts, 1)

    @staticmethod
    def _sums(x: Tensor, columns: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hidden sums of a block of K dimensions.

        Args:
            x: (B, K) levels. columns: (K, L - 1, F) columns of the shared matrix. sums: (B, F) before the block.

        Returns:
            The sums (B, K, F) before each of the dimensions, and those after the block, (B, F).
        """
        if columns.shape[1] == 1:
            taken, flat = x.to(columns.dtype), columns[:, 0]
            # one matrix product per image combines masking, selection and summation
            return (taken[:, None] * earlier(x.shape[1], sums)) @ flat + sums[:, None], sums + taken @ flat
        steps = pad(columns, (0, 0, 1, 0))[torch.arange(x.shape[1], device=x.device), x]
        return earlier(x.shape[1], sums) @ steps + sums[:, None], sums + steps.sum(1)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {
            "codec": self.codec.config(), "dimensions": self.dimensions, "hidden_size": self.hidden_size,
        }  # fmt: skip


class _Fused(torch.autograd.Function):
    """The autograd function of `NADE.fused`, with gradients with respect to the parameters."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, inputs: Tensor, input_bias: Tensor, outputs: Tensor, output_bias: Tensor
    ) -> Tensor:
        from seqgen.models.nade import numba_gradient as nade_gradient

        levels = np.ascontiguousarray(x.numpy().astype(np.uint8))
        size = inputs.shape[-1]
        first, first_bias, second, second_bias = (
            pad(value.detach(), (0, places)).contiguous().numpy()
            for value, places in (
                (inputs, -size % 64), (input_bias, -size % 64), (outputs, -size % 64), (output_bias, 0),
            )
        )  # fmt: skip
        out = np.empty((*levels.shape, inputs.shape[1]), np.float32)
        nade_gradient.logits(levels, first, first_bias, second, second_bias, size, out)
        ctx.kept = (levels, first, first_bias, second, size)
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        from seqgen.models.nade import numba_gradient as nade_gradient

        levels, first, first_bias, second, size = ctx.kept
        found = np.zeros_like(first), np.zeros_like(first_bias), np.zeros_like(second)
        given = upstream.contiguous().numpy()
        nade_gradient.gradients(levels, first, first_bias, second, size, given, found[0], found[1], found[2])
        return (None, *(torch.from_numpy(array)[..., :size] for array in found), upstream.sum(0))


def earlier(count: int, like: Tensor) -> Tensor:
    """Return a (count, count) matrix with 1 where the column index is less than the row index, else 0."""
    return torch.ones(count, count, dtype=like.dtype, device=like.device).tril(-1)
