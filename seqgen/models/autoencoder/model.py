"""The plain auto-encoder, trained with the squared error: the baseline of the PixelCNN auto-encoder (van den Oord et
al. 2016, arXiv 1606.05328, figure 6; Chintala, "Generative models").

Shapes: B batch, C colours, H rows, W columns, m bottleneck.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from seqgen.arrays import as_array
from seqgen.checkpoint import Weights, save_weights
from seqgen.checks import seed_number
from seqgen.codecs.pixels import Pixels
from seqgen.errors import SeqgenError
from seqgen.image.coder import ImageDecoder, ImageEncoder
from seqgen.models.autoencoder.schema import CONFIGURATION
from seqgen.pretrained import find_family
from seqgen.torch_model import NamedArrays

_BLOCK = 256


class AutoEncoder(NamedArrays):
    """A convolutional encoder to m numbers and a transposed-convolution decoder to the mean image.

    It is not a generator: it has no likelihood and cannot be sampled, so it does not stream, and it is loaded with
    `AutoEncoder.load`, not with `seqgen.load`. The image that minimises the squared error is the mean of the images
    with the same code, which is blurred.

    Args:
        shape: (colours, rows, columns) of the images.
        levels: values a pixel of the images may take, 2 to 256; level l has the intensity l / (levels - 1).
        bottleneck: m, the length of the code.
        channels: channels of the encoder's first layer.
        seed: seed of the initial weights.

    Example:
        >>> model = AutoEncoder((1, 4, 4), bottleneck=3, channels=4)
        >>> model.reconstruct([[0, 1, 1, 0] * 4]).shape
        (1, 1, 4, 4)
    """

    family = "autoencoder"
    score_unit = "mean squared error"

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        levels: int = 2,
        bottleneck: int = 10,
        channels: int = 32,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.codec = Pixels(shape, levels)
        given = CONFIGURATION.check(self.codec, bottleneck=bottleneck, channels=channels)
        self.bottleneck, self.channels = given["bottleneck"], given["channels"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
            self.encoder = ImageEncoder(self.codec, self.channels, self.bottleneck)
            self.decoder = ImageDecoder(self.codec, self.channels, self.bottleneck)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct images (B, C, H, W) of levels as intensities (B, C, H, W), not clipped to [0, 1]."""
        intensities: Tensor = self.decoder(self.encoder(x))
        return intensities

    @torch.no_grad()
    def encode(self, images: Any) -> np.ndarray:
        """Return the codes (B, m) float32 of images (B, C, H, W) of levels."""
        return self._in_blocks(self.encoder, self.codec.images(images))

    @torch.no_grad()
    def decode(self, codes: Any) -> np.ndarray:
        """Decode codes (B, m) to intensities (B, C, H, W) float32 from 0 to 1.

        Raises:
            TypeError: if the codes are not numbers. ValueError: if they have the wrong length or are not finite.
        """
        array = as_array("codes", codes)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"codes must be numbers, got {array.dtype}")
        if array.ndim != 2 or array.shape[1] != self.bottleneck or not len(array):
            raise ValueError(f"codes must have the shape (B, {self.bottleneck}), got {array.shape}")
        with np.errstate(over="ignore"):
            given = array.astype(np.float32)
        if not np.all(np.isfinite(given)):
            raise ValueError("codes must be finite, got NaN or infinity")
        return self._in_blocks(self.decoder, given).clip(0.0, 1.0)

    def reconstruct(self, images: Any) -> np.ndarray:
        """Encode and decode images of levels; return intensities (B, C, H, W) float32 from 0 to 1."""
        return self.decode(self.encode(images))

    def training_loss(
        self, levels: np.ndarray, *, condition: Any = None, dropout_generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the mean squared error of intensities over images (B, C, H, W) and pixels; differentiable.

        The model uses neither a condition nor dropout; the signature is that of all image models.
        """
        if condition is not None:
            raise SeqgenError("an auto-encoder takes no condition; leave `conditional` out")
        x = torch.as_tensor(levels, device=self.encoder.code.weight.device)
        target = x.to(self.encoder.code.weight.dtype) / (self.codec.levels - 1)
        return (self(x) - target).square().mean()

    @torch.no_grad()
    def score(self, images: Any, condition: Any = None) -> float:
        """Return the mean squared error of intensities of held-out images."""
        levels = self.codec.images(images)
        return float(np.mean((self.reconstruct(levels) - levels / (self.codec.levels - 1)) ** 2))

    def _in_blocks(self, half: nn.Module, inputs: np.ndarray) -> np.ndarray:
        like = self.encoder.code.weight
        parts = [
            half(torch.as_tensor(inputs[first : first + _BLOCK], device=like.device).to(like.dtype))
            for first in range(0, len(inputs), _BLOCK)
        ]
        return torch.cat(parts).float().cpu().numpy()

    # ---- as a checkpoint --------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {"codec": self.codec.config(), "bottleneck": self.bottleneck, "channels": self.channels}

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        """Return the model that `weights` describe."""
        config = dict(weights.config)
        codec = config.pop("codec")
        model = cls(codec["shape"], codec["levels"], **config)
        model.take_arrays(weights)
        return model

    def save(
        self, path: str | os.PathLike[str], *, precision: str = "auto", card: dict[str, Any] | None = None
    ) -> None:
        """Write the model to one .safetensors file; arguments as in `Generator.save`."""
        weights = Weights(self.family, self.config(), self.arrays(), card or {})
        save_weights(weights, path, precision=precision)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a model from a file written by `save`.

        Raises:
            SeqgenError: if the file does not exist or contains another kind of model.
        """
        return cls.from_weights(find_family(path, cls.family))
