"""The layers of PixelCNN: masked convolutions, and the contribution of a condition to their sums.

Shapes: B batch, H rows, W columns, F channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu

from seqgen.image.masks import colour_mask


class MaskedConv(nn.Conv2d):
    """A convolution whose last column of taps is the current pixel, masked to the preceding colours.

    Args:
        inputs, outputs: numbers of channels; both consist of equal groups, one per colour.
        size: (rows, columns) of the kernel.
        colours: number of groups.
        strict: whether to mask the pixel's own colour as well (mask A), or not (mask B).
        repeats: number of repetitions of the groups among the outputs (2 for the halves of a gate).
    """

    def __init__(
        self, inputs: int, outputs: int, size: tuple[int, int], colours: int,
        *, strict: bool = False, repeats: int = 1, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(inputs, outputs, size, bias=bias)
        mask = torch.ones(outputs, inputs, *size)
        mask[..., -1, -1] = torch.as_tensor(
            colour_mask(inputs, outputs, colours, strict=strict, repeats=repeats)
        )
        self.masked = bool((mask == 0).any())
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve without padding; the caller pads so that the current pixel is the last tap."""
        assert isinstance(self.mask, Tensor)
        return conv2d(x, self.weight * self.mask if self.masked else self.weight, self.bias)


class ConditionedLayer(nn.Module):
    """A layer whose sums depend on a condition.

    Attributes:
        condition_width: E, the number of sums per pixel.
        condition: map of the features of class and vector, or None. guide: map of the features of the guide, or None.
    """

    condition_width: int
    condition: nn.Linear | None
    guide: nn.Conv2d | None

    def take_condition(self, features: int, width: int) -> None:
        """Create the weights from `features` numbers (0 for none) to `width` sums."""
        self.condition_width = width
        self.condition = nn.Linear(features, width, bias=False) if features else None
        self.guide = None

    def take_guide(self, channels: int) -> None:
        """Create the weights of a guide's features (B, channels, H, W)."""
        self.guide = nn.Conv2d(channels, self.condition_width, 1, bias=False)

    def extra(self, features: Tensor | None, guide: Tensor | None) -> Tensor | None:
        """Return the contribution of the condition to the sums: (B, E, 1 or H, 1 or W), or None."""
        total = None
        if self.condition is not None:
            assert features is not None
            total = self.condition(features)[:, :, None, None]
        if self.guide is not None:
            assert guide is not None
            part = self.guide(guide)
            total = part if total is None else total + part
        return total


class GatedLayer(ConditionedLayer):
    """One layer of the vertical and the horizontal stack (arXiv 1606.05328, figure 2, with a skip output)."""

    def __init__(self, colours: int, channels: int, kernel: int, first: bool, features: int) -> None:
        super().__init__()
        inputs = colours if first else channels
        self.first, self.kernel = first, kernel
        # the vertical stack at a row depends on the rows above only: the first layer must exclude its own row
        self.vertical = nn.Conv2d(inputs, 2 * channels, (kernel // 2 + (not first), kernel))
        self.link = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.horizontal = MaskedConv(
            inputs, 2 * channels, (1, kernel // 2 + 1), colours, strict=first, repeats=2, bias=False
        )
        self.mix = MaskedConv(channels, 2 * channels, (1, 1), colours, repeats=2)
        # sums of the vertical stack are first, then those of the horizontal stack
        self.take_condition(features, 4 * channels)

    def forward(
        self, vertical: Tensor, horizontal: Tensor, extra: Tensor | None, drop: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the two stacks (B, F, H, W) after the layer, and its skip output (B, F, H, W)."""
        side = self.kernel // 2
        up = self.vertical(pad(vertical, (side, side, self.kernel // 2, 0)))[:, :, : vertical.shape[2]]
        across = self.horizontal(pad(horizontal, (side, 0, 0, 0)))
        if extra is not None:
            above, beside = extra.chunk(2, 1)
            up, across = up + above, across + beside
        across = across + self.link(up)
        gated = drop(gate(across))
        residual, skip = self.mix(gated).chunk(2, 1)
        return gate(up), residual if self.first else horizontal + residual, skip


class PlainLayer(ConditionedLayer):
    """A masked convolution, ReLU and a residual connection, with one stack and the signature of `GatedLayer`."""

    def __init__(self, colours: int, channels: int, kernel: int, first: bool, features: int) -> None:
        super().__init__()
        inputs = colours if first else channels
        self.first, self.kernel = first, kernel
        # the two parts of one masked kernel: the rows above the pixel, and its row up to the pixel
        self.vertical = nn.Conv2d(inputs, channels, (kernel // 2, kernel)) if kernel > 1 else None
        self.horizontal = MaskedConv(
            inputs, channels, (1, kernel // 2 + 1), colours, strict=first, bias=kernel == 1
        )
        self.mix = MaskedConv(channels, 2 * channels, (1, 1), colours, repeats=2)
        self.take_condition(features, channels)

    def forward(
        self, vertical: Tensor, horizontal: Tensor, extra: Tensor | None, drop: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the stack (B, F, H, W) after the layer twice, and its skip output; `vertical` is ignored."""
        side = self.kernel // 2
        sums = self.horizontal(pad(horizontal, (side, 0, 0, 0)))
        if self.vertical is not None:
            sums = sums + self.vertical(pad(horizontal, (side, side, side, 0))[:, :, :-1])
        if extra is not None:
            sums = sums + extra
        residual, skip = self.mix(drop(relu(sums))).chunk(2, 1)
        after = residual if self.first else horizontal + residual
        return after, after, skip


def gate(sums: Tensor) -> Tensor:
    """Return tanh of the first half of the channels times the sigmoid of the second half."""
    left, right = sums.chunk(2, 1)
    return torch.tanh(left) * torch.sigmoid(right)
