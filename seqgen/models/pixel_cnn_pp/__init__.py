"""PixelCNN++: an autoregressive image model with discretized mixtures of logistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["PixelCNNpp"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PixelCNNpp": "seqgen.models.pixel_cnn_pp.model",
    },
)

if TYPE_CHECKING:
    from seqgen.models.pixel_cnn_pp.model import PixelCNNpp as PixelCNNpp
