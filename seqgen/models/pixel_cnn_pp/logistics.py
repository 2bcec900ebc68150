"""Discretized mixtures of logistics (arXiv 1701.05517, section 2.1 and 2.2), exact for any number of levels.

Level l of L has the value 2 l / (L - 1) - 1 and the interval of half a step around it; the first and the last level
include the tails, so that the probabilities of all levels sum to one. One component is chosen for a whole pixel, and
the means of a colour are linear in the previous colours. Given the previous colours, the weights of the components are
their posterior.
Shapes: B batch, C colours, K components, L levels, H rows, W columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqgen.image.model import scaled
from seqgen.logistic import log_mass
from seqgen.models.pixel_cnn_pp.plan import groups

LOWEST_LOG_SCALE, HIGHEST_LOG_SCALE = -7.0, 20.0
_LEVELS_AT_ONCE = 64


class LogisticMixture:
    """The distribution of every pixel, given the network's outputs.

    Args:
        raw: (B, groups(C) · K, H, W), by group in the order of `groups`; coefficients in the order (1, 0), (2, 0), (2,
            1), … of (colour, earlier colour).
        colours, levels: C and L.

    Attributes:
        log_weights: (B, K, H, W), normalised.
        means, log_scales: (B, C, K, H, W), for levels from -1 to 1; scales are clamped to e^-7 … e^20.
        coefficients: (B, C (C - 1) / 2, K, H, W), between -1 and 1.
    """

    def __init__(self, raw: Tensor, colours: int, levels: int) -> None:
        self.colours, self.levels = colours, levels
        parts = raw.unflatten(1, (groups(colours), -1))
        self.log_weights = torch.log_softmax(parts[:, 0], 1)
        self.means = parts[:, 1 : 1 + colours]
        self.log_scales = parts[:, 1 + colours : 1 + 2 * colours].clamp(LOWEST_LOG_SCALE, HIGHEST_LOG_SCALE)
        self.coefficients = torch.tanh(parts[:, 1 + 2 * colours :])

    def log_probs(self, x: Tensor) -> Tensor:
        """Return the log-probability (B, C, H, W) of every colour of x (B, C, H, W), given the previous colours."""
        joint, result = self.log_weights, []
        before = torch.zeros_like(joint[:, 0])  # log-probability of the previous colours under the mixture
        for colour in range(self.colours):
            joint = joint + self._component_log_probs(x, colour, x[:, colour])
            total = torch.logsumexp(joint, 1)
            result.append(total - before)
            before = total
        return torch.stack(result, 1)

    def level_log_probs(self, x: Tensor, colour: int) -> Tensor:
        """Return the log-probability (B, L, H, W) of every level of one colour, given the previous colours in x."""
        joint = self.log_weights
        for earlier in range(colour):
            joint = joint + self._component_log_probs(x, earlier, x[:, earlier])
        joint = torch.log_softmax(joint, 1)[:, None]
        mean, log_scale = self._means_of(x, colour)[:, None], self.log_scales[:, colour, None]
        result = []
        for given in torch.arange(self.levels, device=x.device)[:, None, None, None].split(_LEVELS_AT_ONCE):
            result.append(torch.logsumexp(joint + interval_log_prob(given, mean, log_scale, self.levels), 2))
        return torch.cat(result, 1)

    def _component_log_probs(self, x: Tensor, colour: int, level: Tensor) -> Tensor:
        """Return the log-probability (B, K, H, W) of `level` (B, H, W) of a colour under each component."""
        mean = self._means_of(x, colour)
        return interval_log_prob(level[:, None], mean, self.log_scales[:, colour], self.levels)

    def _means_of(self, x: Tensor, colour: int) -> Tensor:
        """Return the components' means (B, K, H, W) of a colour, given the previous colours in x."""
        mean = self.means[:, colour]
        first = colour * (colour - 1) // 2
        for earlier in range(colour):
            known = scaled(x[:, earlier, None], self.levels, mean)
            mean = mean + self.coefficients[:, first + earlier] * known
        return mean


def interval_log_prob(level: Tensor, mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """Return the log of the mass of a logistic distribution in the interval of a level, elementwise.

    The paper uses the density at the centre if the difference of sigmoids is too small to compute; see
    `seqgen.logistic` for why that is not needed here.
    """
    centred = scaled(level, levels, mean) - mean
    return log_mass(centred, 1.0 / (levels - 1), log_scale, level == 0, level == levels - 1)
