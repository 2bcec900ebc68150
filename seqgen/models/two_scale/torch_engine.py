"""The reference sampler of two-scale models: two reference samplers of PixelCNNs."""

from __future__ import annotations

from seqgen.models.pixel_cnn import TorchPixelCNNEngine
from seqgen.models.two_scale.lanes import TwoScaleLanes


class TwoScaleEngine(TwoScaleLanes):
    """Samples `TwoScale` models with PyTorch."""

    name = "torch"
    part = TorchPixelCNNEngine
