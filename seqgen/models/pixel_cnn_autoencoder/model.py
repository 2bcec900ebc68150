"""The PixelCNN auto-encoder: a convolutional encoder to m numbers, and a PixelCNN decoder (van den Oord et al. 2016,
arXiv 1606.05328, section 3.3; Chintala, "Generative models").

The decoder is a distribution over images given the code, so samples with the same code are sharp and differ, where an
auto-encoder trained with the squared error (`AutoEncoder`) returns a blurred mean.
Shapes: B batch, C colours, H rows, W columns, L levels, m bottleneck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from seqgen.checkpoint import Weights
from seqgen.checks import seed_number
from seqgen.codecs.pixels import Pixels
from seqgen.conditions.image import Conditions
from seqgen.image.coder import ImageEncoder
from seqgen.image.model import ImageModel
from seqgen.models.pixel_cnn import PixelCNN
from seqgen.models.pixel_cnn_autoencoder.schema import BOTTLENECK, CONFIGURATION

_BLOCK = 256


class PixelCNNAutoEncoder(ImageModel):
    """An encoder to m numbers, and a gated PixelCNN that is conditioned on them in every layer.

    Samples are images given a code, which is the `condition` of `stream` and `sample`. `log_prob(x, condition=code)` is
    the exact log p(x | code). `log_prob(x)` is log p(x | encode(x)), the quality of the reconstruction; it does not sum
    to one over all images, so it is not comparable with a density of x.

    Args:
        shape: (colours, rows, columns) of the images.
        levels: values a pixel may take, 2 to 256.
        bottleneck: m, the length of the code.
        channels, layers: those of the decoder. encoder_channels: channels of the encoder's first layer.
        decoder: further arguments of the `PixelCNN`, such as dropout.
        seed: seed of the initial weights.

    Example:
        >>> model = PixelCNNAutoEncoder((1, 4, 4), bottleneck=3, channels=8, layers=2, encoder_channels=4)
        >>> code = model.encode([[0, 1, 1, 0] * 4])[0]
        >>> model.sample(5, condition=code).shape
        (5, 1, 4, 4)
    """

    family = "pixel-cnn-autoencoder"

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        levels: int = 2,
        bottleneck: int = 10,
        channels: int = 64,
        layers: int = 7,
        encoder_channels: int = 32,
        *,
        seed: int = 0,
        **decoder: Any,
    ) -> None:
        super().__init__()
        for name in ("classes", "condition_size", "guide"):
            if decoder.pop(name, None) is not None:
                raise TypeError(f"{name} must be left out: the decoder is conditioned on the code alone")
        size = BOTTLENECK.check("bottleneck", bottleneck)
        width = CONFIGURATION["encoder_channels"].check("encoder_channels", encoder_channels)
        self.codec = Pixels(shape, levels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
            self.encoder = ImageEncoder(self.codec, width, size)
        self.encoder_channels = width
        self.decoder = PixelCNN(shape, levels, channels, layers, condition_size=size, seed=seed, **decoder)
        self.conditions = _CodeOrNone(None, size, None, self.codec.levels)

    @property
    def bottleneck(self) -> int:
        """The length m of the code."""
        return int(self.encoder.code.out_features)

    @torch.no_grad()
    def encode(self, images: Any) -> np.ndarray:
        """Return the codes (B, m) float32 of images (B, C, H, W) of levels, equal in any batch up to rounding."""
        levels = self.codec.images(images)
        like = self.parameter_like()
        parts = []
        for first in range(0, len(levels), _BLOCK):
            block = torch.as_tensor(levels[first : first + _BLOCK], device=like.device)
            parts.append(self.encoder(block).float().cpu().numpy())
        return np.concatenate(parts)

    def reconstruct(self, images: Any, seed: int = 0, **arguments: Any) -> np.ndarray:
        """Draw from p(x | encode(image)) for each image: levels (B, C, H, W) uint8.

        Args:
            images: as in `encode`. seed: seed of the draws.
            arguments: further arguments of `sample`.
        """
        codes = self.encode(images)
        drawn: np.ndarray = self.sample(len(codes), seed=seed, condition=list(codes), **arguments)
        return drawn

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the logits (B, C, L, H, W) given the code in `condition`, else the code of x; see `ImageModel`."""
        given = condition or {"features": self.encoder(x)}
        logits: Tensor = self.decoder(x, given, dropout_generator=dropout_generator)
        return logits

    @property
    def score_unit(self) -> str:
        """The unit of the held-out score, which is `log_prob` without a condition."""
        return ("nats/image" if self.codec.levels == 2 else "bits/dim") + " given the code"

    def config(self) -> dict[str, Any]:
        """Return the encoder's arguments and the decoder's configuration as JSON values."""
        return {
            "codec": self.codec.config(),
            "encoder_channels": self.encoder_channels,
            "decoder": self.decoder.config(),
        }

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        decoder = dict(weights.config["decoder"])
        codec, bottleneck = decoder.pop("codec"), decoder.pop("condition_size")
        model = cls(
            codec["shape"], codec["levels"], bottleneck, encoder_channels=weights.config["encoder_channels"],
            **decoder,
        )  # fmt: skip
        model.take_arrays(weights)
        return model


class _CodeOrNone(Conditions):
    """Conditions of codes; None stands for each image's own code, which `forward` computes with the encoder."""

    def tensors(self, condition: Any, count: int, like: Tensor) -> dict[str, Tensor]:
        return {} if condition is None else super().tensors(condition, count, like)
