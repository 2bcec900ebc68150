"""The parts of a WaveNet's parallel pass, in the layout (batch, time, channel), in which every product is one `Linear`.

Shapes: B batch, T time, R residual and G gate channels (both halves of the gate together), k kernel size, d dilation,
M features of a frame, H local channels, F frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, pad

_FREQUENCIES = 6.0


class Past(NamedTuple):
    """What a pass must know of the time before it.

    Attributes:
        inputs: (B, k) the last symbols or values; -1 (a symbol) or 0 (a value) stand before the start.
        hidden: for each layer the last inputs (B, (k - 1) d, R) of it; zeros stand before the start.
    """

    inputs: Tensor
    hidden: list[Tensor]


class Input(nn.Module):
    """The causal convolution over the samples: bias + Σ_j weight[j, x[t - 1 - j]], or weight[j] x[t - 1 - j].

    Args:
        taps: k. levels: of one-hot symbols, or 1 for values. channels: R.
    """

    def __init__(self, taps: int, levels: int, channels: int) -> None:
        super().__init__()
        if levels == 1:
            weight = torch.randn(taps, 1, channels)
        else:
            # waves over the levels: close levels begin with close vectors, and training is much faster
            level = torch.linspace(-1.0, 1.0, levels)[:, None]
            frequency = _FREQUENCIES * torch.randn(taps, 1, channels)
            weight = torch.sin(frequency * level + 2.0 * torch.pi * torch.rand(taps, 1, channels))
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, history: Tensor) -> Tensor:
        """(B, T, R) from the inputs (B, k + T - 1) of which T predictions depend, oldest first."""
        taps, levels, channels = self.weight.shape
        length = history.shape[1] - taps + 1
        if not history.is_floating_point():
            # the symbol before the start has a row of zeros after the others
            table = torch.cat([self.weight, self.weight.new_zeros(taps, 1, channels)], 1)
            rows = torch.where(history < 0, levels, history)
            each = [embedding(rows[:, taps - 1 - j :][:, :length], table[j]) for j in range(taps)]
            return sum(each[1:], each[0]) + self.bias
        stacked = torch.stack([history[:, taps - 1 - j :][:, :length] for j in range(taps)], -1)
        return linear(stacked, self.weight[:, 0].T, self.bias)


class Layer(nn.Module):
    """One gated, dilated layer: z = W [h[t - (k-1) d], …, h[t]], g = tanh(z₁) σ(z₂), h <- h + residual(g).

    Args:
        residual, gate: R and G. kernel_size: k. dilation: d. last: whether nothing follows, so that there is no
            residual.
    """

    def __init__(self, residual: int, gate: int, kernel_size: int, dilation: int, *, last: bool) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.dilated = nn.Linear(kernel_size * residual, gate)
        self.residual = None if last else nn.Linear(gate // 2, residual)

    @property
    def reach(self) -> int:
        """How far back the layer looks: (k - 1) d."""
        return (self.kernel_size - 1) * self.dilation

    def taps(self, h: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """The inputs of every step side by side, (B, T, k R) with the oldest first, and the new past."""
        length = h.shape[1]
        before = pad(h, (0, 0, self.reach, 0)) if past is None else torch.cat([past.to(h.dtype), h], 1)
        parts = [before[:, j * self.dilation :][:, :length] for j in range(self.kernel_size)]
        return torch.cat(parts, -1), before[:, length:]


class Upsample(nn.Module):
    """How two neighbouring frames weigh at each of the hop samples of the first; begins as linear interpolation."""

    def __init__(self, hop: int) -> None:
        super().__init__()
        part = torch.arange(hop) / hop
        self.weight = nn.Parameter(torch.stack([1.0 - part, part]))


def begin_with_units(linear: nn.Linear, gain: float = 1.0) -> None:
    """Initial weights that give outputs of about `gain` times the size of the inputs, and biases of zero."""
    nn.init.normal_(linear.weight, std=gain * linear.in_features**-0.5)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def gate(z: Tensor) -> Tensor:
    """tanh of the first half of (..., G) times σ of the second: (..., G / 2)."""
    filtered, opened = z.chunk(2, -1)
    return torch.tanh(filtered) * torch.sigmoid(opened)


def upsampled(frames: Tensor, hop: int, weight: Tensor | None, length: int) -> Tensor:
    """Projections of frames as those of samples (B, length, G).

    Args:
        frames: (B, F, G); of F > length / hop frames, or one less with nearest upsampling.
        weight: (2, hop) of `Upsample`, or None for the nearest frame.
    """
    count = -(-length // hop)
    if weight is None:
        each = frames[:, :count, None].expand(-1, -1, hop, -1)
    else:
        first, second = weight[0, :, None].to(frames.dtype), weight[1, :, None].to(frames.dtype)
        each = first * frames[:, :count, None] + second * frames[:, 1 : count + 1, None]
    return each.flatten(1, 2)[:, :length]
