"""PixelCNN: an autoregressive image model of masked convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqgen.lazy import lazy_names

__all__ = ["MaskedConv", "NumbaPixelCNNEngine", "PixelCNN", "TorchPixelCNNEngine", "pixel_cnn_schema"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PixelCNN": "seqgen.models.pixel_cnn.model",
        "MaskedConv": "seqgen.models.pixel_cnn.layers",
        "NumbaPixelCNNEngine": "seqgen.models.pixel_cnn.numba_engine:PixelCNNEngine",
        "TorchPixelCNNEngine": "seqgen.models.pixel_cnn.torch_engine:PixelCNNEngine",
        "pixel_cnn_schema": "seqgen.models.pixel_cnn.schema:schema",
    },
)

if TYPE_CHECKING:
    from seqgen.models.pixel_cnn.layers import MaskedConv as MaskedConv
    from seqgen.models.pixel_cnn.model import PixelCNN as PixelCNN
    from seqgen.models.pixel_cnn.numba_engine import PixelCNNEngine as NumbaPixelCNNEngine
    from seqgen.models.pixel_cnn.schema import schema as pixel_cnn_schema
    from seqgen.models.pixel_cnn.torch_engine import PixelCNNEngine as TorchPixelCNNEngine
