"""The layers of a WaveNet's parallel pass, in the layout (batch, time, channel), where every product is one `Linear`.

Shapes: B batch, T time, R residual and G gate channels (both halves of the gate together), k kernel size, d dilation, M
features per frame, H local channels, F frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, pad

_FREQUENCIES = 6.0


class Past(NamedTuple):
    """The inputs of earlier steps that a pass depends on.

    Attributes:
        inputs: (B, k) the last symbols or values; before the start -1 for symbols and 0 for values.
        hidden: the last inputs (B, (k - 1) d, R) of each layer; zeros before the start.
    """

    inputs: Tensor
    hidden: list[Tensor]


class Input(nn.Module):
    """The causal input convolution: bias + Σ_j weight[j, x[t - 1 - j]], or bias + Σ_j weight[j] x[t - 1 - j].

    Args:
        taps: k. levels: number of one-hot symbols, or 1 for values. channels: R.
    """

    def __init__(self, taps: int, levels: int, channels: int) -> None:
        super().__init__()
        if levels == 1:
            weight = torch.randn(taps, 1, channels)
        else:
            # sinusoids over the levels: similar levels start with similar vectors, which speeds up training much
            level = torch.linspace(-1.0, 1.0, levels)[:, None]
            frequency = _FREQUENCIES * torch.randn(taps, 1, channels)
            weight = torch.sin(frequency * level + 2.0 * torch.pi * torch.rand(taps, 1, channels))
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, history: Tensor) -> Tensor:
        """Return (B, T, R), given the inputs (B, k + T - 1) that T predictions depend on, oldest first."""
        taps, levels, channels = self.weight.shape
        length = history.shape[1] - taps + 1
        if not history.is_floating_point():
            # the symbol before the start is an additional row of zeros
            table = torch.cat([self.weight, self.weight.new_zeros(taps, 1, channels)], 1)
            rows = torch.where(history < 0, levels, history)
            each = [embedding(rows[:, taps - 1 - j :][:, :length], table[j]) for j in range(taps)]
            return sum(each[1:], each[0]) + self.bias
        stacked = torch.stack([history[:, taps - 1 - j :][:, :length] for j in range(taps)], -1)
        return linear(stacked, self.weight[:, 0].T, self.bias)


class Layer(nn.Module):
    """One gated, dilated layer: z = W [h[t - (k-1) d], …, h[t]], g = tanh(z₁) σ(z₂), h <- h + residual(g).

    Args:
        residual, gate: R and G. kernel_size: k. dilation: d. last: whether it is the last layer, which has no residual.
    """

    def __init__(self, residual: int, gate: int, kernel_size: int, dilation: int, *, last: bool) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.dilated = nn.Linear(kernel_size * residual, gate)
        self.residual = None if last else nn.Linear(gate // 2, residual)

    @property
    def reach(self) -> int:
        """The maximum delay of the layer: (k - 1) d."""
        return (self.kernel_size - 1) * self.dilation

    def taps(self, h: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the concatenated taps of every step, (B, T, k R), oldest first, and the new past."""
        length = h.shape[1]
        before = pad(h, (0, 0, self.reach, 0)) if past is None else torch.cat([past.to(h.dtype), h], 1)
        parts = [before[:, j * self.dilation :][:, :length] for j in range(self.kernel_size)]
        return torch.cat(parts, -1), before[:, length:]


class Upsample(nn.Module):
    """Learned weights of two neighbouring frames at each of `hop` samples, initialised to linear interpolation."""

    def __init__(self, hop: int) -> None:
        super().__init__()
        part = torch.arange(hop) / hop
        self.weight = nn.Parameter(torch.stack([1.0 - part, part]))


def begin_with_units(linear: nn.Linear, gain: float = 1.0) -> None:
    """Initialise weights so that outputs have about `gain` times the magnitude of inputs, and biases to zero."""
    nn.init.normal_(linear.weight, std=gain * linear.in_features**-0.5)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def gate(z: Tensor) -> Tensor:
    """Return tanh of the first half of (..., G) times σ of the second half: (..., G / 2)."""
    filtered, opened = z.chunk(2, -1)
    return torch.tanh(filtered) * torch.sigmoid(opened)


def upsampled(frames: Tensor, hop: int, weight: Tensor | None, length: int) -> Tensor:
    """Upsample projections of frames to samples (B, length, G).

    Args:
        frames: (B, F, G) with F > length / hop, or one frame less for nearest upsampling.
        weight: (2, hop) weights of `Upsample`, or None for nearest upsampling.
    """
    count = -(-length // hop)
    if weight is None:
        each = frames[:, :count, None].expand(-1, -1, hop, -1)
    else:
        first, second = weight[0, :, None].to(frames.dtype), weight[1, :, None].to(frames.dtype)
        each = first * frames[:, :count, None] + second * frames[:, 1 : count + 1, None]
    return each.flatten(1, 2)[:, :length]
