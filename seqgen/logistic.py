"""The mass that a logistic distribution gives an interval: what discretized mixtures of logistics are made of
(arXiv 1701.05517, section 2.1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def log_mass(centred: Tensor, half: float, log_scale: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Log of the mass of the interval `half` to both sides of points `centred` above the mean, of the common shape.

    With a and b the ends of the interval in units of the scale, σ(b) - σ(a) = σ(b) σ(-a) (1 - e^(a - b)): a product
    without cancellation, whose logarithm and gradient are finite however far the interval is from the mean.

    Args:
        first, last: bool, whether the interval takes the lower, the upper tail as well.
    """
    precision = torch.exp(-log_scale)
    zero = torch.zeros_like(centred)
    below_top = torch.where(last, zero, logsigmoid((centred + half) * precision))
    above_bottom = torch.where(first, zero, logsigmoid((half - centred) * precision))
    width = torch.log(-torch.expm1(-2.0 * half * precision))
    return below_top + above_bottom + torch.where(first | last, zero, width)
