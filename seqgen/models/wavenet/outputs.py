"""The output distributions of a WaveNet for one audio sample: softmax, logistics over 16 bits, Gaussians.

Logistics and Gaussians are mixtures of K components, whose parameters are ordered by group: logits of the components,
means, and log-scales, for audio in [-1, 1]. The mass of a 16-bit number s is that of the logistic distribution between
(s - 1/2) / 32768 and (s + 1/2) / 32768; the lowest and the highest number include the tails, so that all 65536 sum to
one (after arXiv 1701.05517, section 2.1).
Shapes: ... any, K components.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from seqgen import logistic
from seqgen.codecs.audio import HIGHEST, LOWEST, PCM_SCALE

LOWEST_LOG_SCALE = {"logistics": -9.0, "gaussian": -7.0}
HIGHEST_LOG_SCALE = 20.0
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


def log_probs(output: str, raw: Tensor, symbols: Tensor) -> Tensor:
    """Return the log-probability (...) of symbols (...), a density for "gaussian", given raw outputs (..., O).

    bfloat16 outputs are widened to float32 first.
    """
    if output == "categorical":
        flat, wanted = raw.flatten(0, -2), symbols.flatten()
        if raw.dtype == torch.bfloat16 and raw.device.type == "cpu":
            return torch.as_tensor(_BFloat16Logits.apply(flat, wanted)).reshape(symbols.shape)
        return -cross_entropy(flat, wanted, reduction="none").reshape(symbols.shape)
    weights, means, log_scales = mixture(output, raw.float() if raw.dtype == torch.bfloat16 else raw)
    each = log_mass if output == "logistics" else log_density
    return torch.logsumexp(weights + each(symbols[..., None], means, log_scales), -1)


class _BFloat16Logits(torch.autograd.Function):
    """The autograd function of log-probabilities (N,) float32 of symbols (N,), given bfloat16 logits (N, V)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, symbols: Tensor) -> Tensor:
        from seqgen.kernels import cross_entropy as compiled

        logits = logits.contiguous()
        normalizers, out = torch.empty(len(logits)), torch.empty(len(logits))
        compiled.log_probs(bits(logits), symbols.numpy(), normalizers.numpy(), out.numpy())
        ctx.save_for_backward(logits, symbols, normalizers)
        return out

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        from seqgen.kernels import cross_entropy as compiled

        logits, symbols, normalizers = ctx.saved_tensors
        out = torch.empty_like(logits)
        given = upstream.contiguous().numpy()
        compiled.gradients(bits(logits), symbols.numpy(), normalizers.numpy(), given, bits(out))
        return out, None


def mixture(output: str, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return normalised log-weights, means and clamped log-scales (..., K), given raw outputs (..., 3K)."""
    weights, means, log_scales = raw.unflatten(-1, (3, -1)).unbind(-2)
    clamped = log_scales.clamp(LOWEST_LOG_SCALE[output], HIGHEST_LOG_SCALE)
    return torch.log_softmax(weights, -1), means, clamped


def log_mass(symbols: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    """Return the log of the mass of 16-bit numbers under logistic distributions, elementwise."""
    centred = symbols.to(means.dtype) / PCM_SCALE - means
    return logistic.log_mass(centred, 0.5 / PCM_SCALE, log_scales, symbols == LOWEST, symbols == HIGHEST)


def log_density(values: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    """Return the log-density of numbers under Gaussians, elementwise."""
    distance = (values.to(means.dtype) - means) * torch.exp(-log_scales)
    return -0.5 * distance**2 - log_scales - _HALF_LOG_2_PI


def bits(x: Tensor) -> Any:
    """Return a uint16 array that shares the memory of a bfloat16 tensor."""
    return x.detach().view(torch.uint16).numpy()
