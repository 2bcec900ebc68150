"""Two-scale generation: a small image, then the large image, of which it is every s-th pixel (multi-scale PixelRNN, van
den Oord et al. 2016, arXiv 1601.06759, section 3.6; Chintala, "Improving PixelCNN performance").

The small image is a part of the large one, so no marginalisation is needed: p(x) = p(small) · p(other pixels | small).
Both factors are PixelCNNs; the large one has the small image as its guide and its pixels as known pixels.
Shapes: B batch, C colours, H rows, W columns, L levels; the small image has H/r rows and W/s columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from seqgen.checkpoint import Weights
from seqgen.image.model import ImageModel
from seqgen.models.pixel_cnn import PixelCNN
from seqgen.models.two_scale.schema import require_fitting


class TwoScale(ImageModel):
    """A small PixelCNN and a large one guided by its image, as one model with an exact likelihood.

    A sample is the large image, whose pixel (r·i, s·j) is pixel (i, j) of the small image. The small image is drawn
    first, then the other pixels in raster order. Both networks receive the class or vector of the condition.

    Attributes:
        completes: "coarse-first": known pixels must be a prefix in drawing order: a prefix of the small image in raster
            order, or the whole small image and a prefix of the other pixels.

    Args:
        small: a PixelCNN without a guide.
        large: a PixelCNN whose guide has the shape of the small images; colours, levels, classes and vector as in
            `small`.

    Raises:
        ValueError: if the two do not match. TypeError: if one is not a `PixelCNN`.

    Example:
        >>> small = PixelCNN((1, 2, 2), channels=4, layers=1)
        >>> large = PixelCNN((1, 4, 6), channels=4, layers=1, guide=(1, 2, 2))
        >>> TwoScale(small, large).sample(3, seed=1).shape
        (3, 1, 4, 6)
    """

    family = "two-scale"
    completes = "coarse-first"

    def __init__(self, small: PixelCNN, large: PixelCNN) -> None:
        super().__init__()
        for name, model in (("small", small), ("large", large)):
            if not isinstance(model, PixelCNN):
                raise TypeError(f"{name} must be a PixelCNN, got {type(model).__name__}")
        require_fitting((small.codec, small.conditions), (large.codec, large.conditions))
        self.small, self.large = small, large
        self.codec = large.codec
        self.conditions = small.conditions

    @property
    def steps(self) -> tuple[int, int]:
        """(r, s): the small image is every r-th row and every s-th column of the large one."""
        _, rows, columns = self.small.codec.shape
        return self.codec.shape[1] // rows, self.codec.shape[2] // columns

    def subsample(self, images: Any) -> np.ndarray:
        """Return the small images (B, C, H/r, W/s) uint8 of large ones."""
        down, across = self.steps
        return self.codec.images(images)[:, :, ::down, ::across]

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the logits (B, C, L, H, W) of every pixel given those drawn before it; see `ImageModel.forward`."""
        down, across = self.steps
        small = x[:, :, ::down, ::across].contiguous()
        given = dict(condition or {})
        coarse = self.small(small, given, dropout_generator=dropout_generator)
        logits = self.large(x, given | {"guide": small}, dropout_generator=dropout_generator).clone()
        logits[..., ::down, ::across] = coarse
        return logits

    def config(self) -> dict[str, Any]:
        """Return the configurations of both networks as JSON values."""
        return {
            "codec": self.codec.config(),
            "small": self.small.config(),
            "large": self.large.config(),
        }

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        small, large = (
            PixelCNN.from_weights(weights.part(name, PixelCNN.family)) for name in ("small", "large")
        )
        return cls(small, large)
