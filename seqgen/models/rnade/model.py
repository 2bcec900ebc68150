"""RNADE, the real-valued NADE (Uria, Murray and Larochelle 2013, arXiv 1306.0186; Zhou, lecture 22, for NADE): the
conditional density of every number of a vector is a mixture of Gaussians whose parameters depend on the numbers before
it,

    h_d = relu(ρ_d (c + Σ_{j<d} w_j x_j)),
    p(x_d | x_<d) = Σ_k softmax(A_d h_d + a_d)_k N(x_d; M_d h_d + m_d, exp(S_d h_d + s_d)²).

The learned factors ρ_d keep the activations in a constant range as the number of terms grows; they are initialised to
1/√d.
Shapes: B batch, D dimensions, F hidden units, K components.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from seqgen.arrays import as_array
from seqgen.checkpoint import Weights
from seqgen.checks import seed_number
from seqgen.codecs import Vectors
from seqgen.generator import Generator
from seqgen.models.rnade.numba_lanes import FARTHEST, LOWEST_LOG_DEVIATION
from seqgen.models.rnade.schema import CONFIGURATION
from seqgen.torch_model import NamedArrays

_MOST_UNITS = 1 << 24
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


class RNADE(NamedArrays, Generator):
    """A neural autoregressive density over real vectors.

    A sample is a vector of D float64 numbers; a `prompt` is a vector (an array or tuple) whose first numbers are known
    and the others NaN.

    Args:
        dimensions: D.
        hidden_size: F.
        components: K, Gaussians per mixture.
        seed: seed of the initial weights.

    Example:
        >>> model = RNADE(3, 8, 2)
        >>> model.log_prob([[0.0, 1.0, -1.0]]).shape
        torch.Size([1])
        >>> model.sample(2, seed=1, prompt=(0.5, math.nan, math.nan))[:, 0].tolist()
        [0.5, 0.5]
    """

    family = "rnade"

    def __init__(
        self, dimensions: int, hidden_size: int = 50, components: int = 10, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.codec = Vectors()
        given = CONFIGURATION.check(
            self.codec, dimensions=dimensions, hidden_size=hidden_size, components=components
        )
        self.dimensions, self.hidden_size = size, hidden = given["dimensions"], given["hidden_size"]
        self.components = kinds = given["components"]
        generator = torch.Generator().manual_seed(seed_number(seed))
        self.input = nn.Parameter(torch.randn(size, hidden, generator=generator))
        self.input_bias = nn.Parameter(0.5 * torch.randn(hidden, generator=generator))
        self.rescaling = nn.Parameter(1.0 / torch.arange(1.0, size + 1.0).sqrt())
        # for each number the logits of the components, their means, and their log standard deviations
        spread = 0.5 * hidden**-0.5
        output = spread * torch.randn(size, 3, kinds, hidden, generator=generator)
        output[:, 2] *= 0.1  # if deviations depended strongly on large numbers, samples would diverge
        self.output = nn.Parameter(output)
        bias = torch.zeros(size, 3, kinds)
        bias[:, 1] = torch.randn(size, kinds, generator=generator)
        self.output_bias = nn.Parameter(bias)
        self.register_buffer("location", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def standardise(self, data: Any) -> Self:
        """Set the standardisation of the network's inputs (mean 0, deviation 1) from data (B, D), before training."""
        vectors = self.vectors(data)
        spread = vectors.std(0)
        with torch.no_grad():
            for name, value in (
                ("location", vectors.mean(0)),
                ("scale", np.where(spread > 0, spread, 1.0)),
            ):
                self.get_buffer(name).copy_(torch.as_tensor(value))
        return self

    def vectors(self, x: Any) -> np.ndarray:
        """Convert one vector (D,) or several (B, D) to float64 (B, D) and check them."""
        array = as_array("vectors", x)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"vectors must be numbers, got {array.dtype}")
        if array.ndim not in (1, 2) or array.shape[-1] != self.dimensions:
            raise ValueError(
                f"vectors must have the shape (B, {self.dimensions}) or ({self.dimensions},), got {array.shape}"
            )
        vectors = np.atleast_2d(array).astype(np.float64)
        if not len(vectors):
            raise ValueError(
                f"vectors must hold at least one vector, got an array of the shape {array.shape}"
            )
        if not np.isfinite(vectors).all():
            raise ValueError(f"vectors must be finite, got {vectors[~np.isfinite(vectors)][0]}")
        return vectors

    # ---- computing ------------------------------------------------------------------------------------

    def hidden(self, sums: Tensor, rescaling: Tensor) -> Tensor:
        """Return the hidden units (..., F), given their sums and the factors (..., 1)."""
        return relu(sums * rescaling)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits, means and log deviations (B, D, 3, K) of each number of standardised z (B, D)."""
        steps = z[:, :, None] * self.input
        before = pad(steps.cumsum(1)[:, :-1], (0, 0, 1, 0)) + self.input_bias
        hidden = self.hidden(before, self.rescaling[:, None])
        return torch.einsum("bdf,dpkf->bdpk", hidden, self.output) + self.output_bias

    def log_prob(self, x: Any, *, grad: bool = False) -> Tensor:
        """Return the exact log-density of each vector in nats, (B,) float64.

        Args:
            x: one vector (D,) or vectors (B, D) of finite numbers.
            grad: whether the result is differentiable with respect to the parameters.
        """
        given = torch.as_tensor(self.vectors(x), device=self.input.device)
        location, scale = self.get_buffer("location").double(), self.get_buffer("scale").double()
        z = (given - location) / scale
        if float(z.abs().max()) > FARTHEST:
            raise ValueError(
                f"vectors must be within {FARTHEST:g} deviations of the model's mean, got {float(z.abs().max()):g}"
            )
        step = max(1, _MOST_UNITS // (self.dimensions * self.hidden_size))
        parts = []
        with torch.set_grad_enabled(grad), torch.autocast(given.device.type, enabled=False):
            for block in z.split(step):
                parameters = self(block.to(self.input.dtype)).double()
                parts.append(mixture_log_density(block, parameters).sum(1))
        return torch.cat(parts) - scale.log().sum()

    # ---- the generator interface ----------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {
            "codec": self.codec.config(), "dimensions": self.dimensions, "hidden_size": self.hidden_size,
            "components": self.components,
        }  # fmt: skip

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        config = {name: value for name, value in weights.config.items() if name != "codec"}
        model = cls(**config)
        model.take_arrays(weights)
        return model


def mixture(parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, means and clamped log deviations (..., K) of Gaussian mixtures (..., 3, K)."""
    logits, means, log_deviations = parameters.unbind(-2)
    return logits, means, log_deviations.clamp(min=LOWEST_LOG_DEVIATION)


def mixture_log_density(z: Tensor, parameters: Tensor) -> Tensor:
    """Return the log-density of numbers (...) under Gaussian mixtures (..., 3, K)."""
    logits, means, log_deviations = mixture(parameters)
    distance = (z[..., None] - means) * torch.exp(-log_deviations)
    densities = -0.5 * distance**2 - log_deviations - _HALF_LOG_2_PI
    return torch.logsumexp(torch.log_softmax(logits, -1) + densities, -1)
