"""The reference sampler of two-scale models: two reference samplers of PixelCNNs."""

from __future__ import annotations

from seqgen.engines.torch.pixel_cnn import PixelCNNEngine
from seqgen.engines.two_scale import TwoScaleLanes


class TwoScaleEngine(TwoScaleLanes):
    """Samples `TwoScale` models with PyTorch."""

    name = "torch"
    part = PixelCNNEngine
