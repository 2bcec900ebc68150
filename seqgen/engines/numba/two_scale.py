"""The fused sampler of two-scale models: two fused PixelCNNs."""

from __future__ import annotations

from seqgen.engines.numba.pixel_cnn import PixelCNNEngine
from seqgen.engines.two_scale import TwoScaleLanes


class TwoScaleEngine(TwoScaleLanes):
    """Samples `TwoScale` models on the CPU."""

    name = "numba"
    part = PixelCNNEngine
