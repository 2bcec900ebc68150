"""The base of autoregressive image models: likelihood by one parallel pass, training loss, conversion from weights.

Shapes: B batch, C colours, H rows, W columns, L levels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from seqgen.checkpoint import Weights
from seqgen.codecs.pixels import Pixels
from seqgen.conditions.image import Conditions
from seqgen.generator import Generator
from seqgen.torch_model import NamedArrays

_MOST_PIXELS = 1 << 16


class ImageModel(NamedArrays, Generator):
    """Base class of image models. A family sets `codec` and `conditions`, and implements `forward` and `config`.

    Attributes:
        completes: which pixels a `prompt` may fix: "raster", a prefix in raster order; "any"; or "coarse-first", a
            prefix in the order of a small image followed by the other pixels (`TwoScale`).
    """

    completes: ClassVar[str] = "raster"
    codec: Pixels
    conditions: Conditions

    @abstractmethod
    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the logits (B, C, L, H, W) of every pixel given those before it.

        Args:
            x: (B, C, H, W) levels.
            condition: "features" (B, K) and "guide" (B, C', H', W') levels, as returned by `conditions.tensors`.
            dropout_generator: source of random numbers for dropout; None disables dropout.
        """

    def pixel_log_probs(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the log-probability (B, C, H, W) of every pixel of x given those before it."""
        logits = self(x, condition, dropout_generator=dropout_generator)
        precise = logits.double() if dropout_generator is None else logits.float()
        return torch.log_softmax(precise, 2).gather(2, x[:, :, None])[:, :, 0]

    def log_prob(self, x: Any, *, condition: Any = None, grad: bool = False) -> Tensor:
        """Return the exact log-probability of each image in nats, (B,) float64.

        Args:
            x: one image (C, H, W) or images (B, C, H, W) of integers from 0 to levels - 1.
            condition: one condition for all, or a list or array with one per image.
            grad: whether the result is differentiable with respect to the parameters.
        """
        images = self.codec.images(x)
        like = self.parameter_like()
        given = self.conditions.tensors(condition, len(images), like)
        step = max(1, _MOST_PIXELS // images[0].size)
        parts = []
        with torch.set_grad_enabled(grad):
            for first in range(0, len(images), step):
                block = torch.as_tensor(images[first : first + step].astype(np.int64), device=like.device)
                some = {name: value[first : first + step] for name, value in given.items()}
                parts.append(self.pixel_log_probs(block, some).double().flatten(1).sum(1))
        return torch.cat(parts)

    def training_loss(
        self, levels: np.ndarray, *, condition: Any = None, dropout_generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the mean nats per dimension of images (B, C, H, W) of levels, with dropout; differentiable."""
        like = self.parameter_like()
        images = torch.as_tensor(levels.astype(np.int64), device=like.device)
        given = self.conditions.tensors(condition, len(images), like)
        return -self.pixel_log_probs(images, given, dropout_generator=dropout_generator).mean()

    def parameter_like(self) -> Tensor:
        """Return any parameter, for its dtype and device."""
        return next(self.parameters())

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        """Return the model of `weights`, whose configuration holds the constructor's arguments and the codec."""
        config = dict(weights.config)
        codec = config.pop("codec")
        model = cls(shape=codec["shape"], levels=codec["levels"], **config)
        model.take_arrays(weights)
        return model


def scaled(levels_of: Tensor, levels: int, like: Tensor) -> Tensor:
    """Scale levels to numbers from -1 to 1, in the dtype of `like`."""
    return levels_of.to(like.dtype) * (2.0 / (levels - 1)) - 1.0


def dropper(probability: float, generator: torch.Generator | None) -> Any:
    """Return a dropout function: zeroes elements at random and scales the rest; the identity without a generator."""
    if generator is None or not probability:
        return lambda hidden: hidden

    def drop(hidden: Tensor) -> Tensor:
        keep = torch.empty_like(hidden).bernoulli_(1 - probability, generator=generator)
        return hidden * keep * (1 / (1 - probability))

    return drop
