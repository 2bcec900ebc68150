"""The fused sampler of two-scale models: two fused PixelCNNs."""

from __future__ import annotations

from seqgen.models.pixel_cnn import NumbaPixelCNNEngine
from seqgen.models.two_scale.lanes import TwoScaleLanes


class TwoScaleEngine(TwoScaleLanes):
    """Samples `TwoScale` models on the CPU."""

    name = "numba"
    part = NumbaPixelCNNEngine
