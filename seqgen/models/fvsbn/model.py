"""FVSBN, the fully visible sigmoid belief network (Frey, Hinton and Dayan 1996; Zhou, lecture 22, "Autoregressive
generative model"): logistic regression of every pixel on the pixels before it,

    p(x_i = 1 | x_<i) = sigmoid(α_i0 + Σ_{j<i} α_ij x_j).

The lecture writes "logit" for its inverse, the sigmoid.
Shapes: B batch, C colours, H rows, W columns, L = 2 levels, D = C·H·W dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from seqgen.checkpoint import Weights
from seqgen.checks import seed_number
from seqgen.conditions.image import Conditions
from seqgen.image.model import ImageModel
from seqgen.image.raster import image_codec, to_images, to_vectors
from seqgen.models.fvsbn.schema import CONFIGURATION


class FVSBN(ImageModel):
    """A linear autoregressive model of binary images.

    Only the strictly lower triangle of the weights is stored, row by row.

    Args:
        dimensions: D, pixels times colours.
        shape: (colours, rows, columns); None is a square of one colour, or one row if D is not a square number.
        seed: seed of the initial weights.

    Example:
        >>> model = FVSBN(16)
        >>> model.log_prob([[0] * 16] * 3).shape
        torch.Size([3])
        >>> model.sample(2, seed=1).shape
        (2, 1, 4, 4)
    """

    family = "fvsbn"

    def __init__(self, dimensions: int = 784, *, shape: Sequence[int] | None = None, seed: int = 0) -> None:
        super().__init__()
        self.codec = image_codec(dimensions, shape, 2)
        self.conditions = Conditions.checked(self.codec)
        self.dimensions = size = CONFIGURATION.check(self.codec, dimensions=dimensions)["dimensions"]
        generator = torch.Generator().manual_seed(seed_number(seed))
        self.weight = nn.Parameter(0.01 * torch.randn(size * (size - 1) // 2, generator=generator))
        self.bias = nn.Parameter(torch.zeros(size))
        self.register_buffer("before", torch.ones(size, size).tril(-1).bool(), persistent=False)

    def matrix(self) -> Tensor:
        """Return the weights α_ij as a strictly lower triangular matrix (D, D)."""
        assert isinstance(self.before, Tensor)
        return torch.zeros_like(self.before, dtype=self.weight.dtype).masked_scatter(self.before, self.weight)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the logits (B, C, L, H, W) of every pixel given those before it; those of level 0 are 0."""
        with torch.autocast(x.device.type, enabled=False):
            logits = to_vectors(x).to(self.bias.dtype) @ self.matrix().T + self.bias
        return to_images(pad(logits[:, :, None], (1, 0)), self.codec.shape)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {"codec": self.codec.config(), "dimensions": self.dimensions}

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        model = cls(weights.config["dimensions"], shape=weights.config["codec"]["shape"])
        model.take_arrays(weights)
        return model
