"""The PixelCNN auto-encoder: a convolutional encoder and a PixelCNN decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["PixelCNNAutoEncoder"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PixelCNNAutoEncoder": "seqgen.models.pixel_cnn_autoencoder.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.pixel_cnn_autoencoder.model import PixelCNNAutoEncoder as PixelCNNAutoEncoder
