"""The reference sampler of two-scale models: two reference samplers of PixelCNNs."""

from __future__ import annotations

from seqgen.models.pixel_cnn.torch_engine import PixelCNNEngine
from seqgen.models.two_scale.lanes import TwoScaleLanes


class TwoScaleEngine(TwoScaleLanes):
    """Samples `TwoScale` models with PyTorch."""

    name = "torch"
    part = PixelCNNEngine
