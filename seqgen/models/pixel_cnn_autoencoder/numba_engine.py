"""The fused sampler of PixelCNN auto-encoders: the sampler of their decoder, conditioned on the code."""

from __future__ import annotations

from typing import Any

from seqgen.checkpoint import Weights
from seqgen.engine import Request
from seqgen.models.pixel_cnn import NumbaPixelCNNEngine


class PixelCNNAutoEncoderEngine(NumbaPixelCNNEngine):
    """Samples `PixelCNNAutoEncoder`s on the CPU; the condition of a sample is its code."""

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        decoder = None if model is None else model.decoder
        super().__init__(weights.part("decoder", "pixel-cnn"), request, model=decoder)
