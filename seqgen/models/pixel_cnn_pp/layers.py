"""The building blocks of PixelCNN++: shifted convolutions, gated residual blocks, down- and up-sampling.

Convolutions do not pad: the caller passes the window that they read. For a whole image this is the map padded by
`padded`; a sampler passes a part of its cache, so both run the same code.
Shapes: B batch, C colours, F channels, K features of the condition, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, pad

from seqgen.models.pixel_cnn_pp.plan import VERTICAL, Layer

Window = Callable[["ShiftedConv", Tensor], Tensor]


def concat_elu(x: Tensor) -> Tensor:
    """Concatenate elu(x) and elu(-x) along the channels."""
    return elu(torch.cat([x, -x], 1))


class ShiftedConv(nn.Conv2d):
    """A convolution over two rows, the current and the one above, and over three columns, or the current and the left.

    Args:
        inputs, outputs: channels.
        stream: VERTICAL, whose current row depends on pixels above only, so that columns to the right may be read; or
            HORIZONTAL, which reads columns to the left only.
        stride: 2 for down-sampling.
    """

    def __init__(self, inputs: int, outputs: int, stream: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, (2, 3 if stream == VERTICAL else 2), stride)
        self.sides = (1, 1 if stream == VERTICAL else 0)


def padded(conv: ShiftedConv, x: Tensor) -> Tensor:
    """Pad a whole map with zeros above and beside it."""
    return pad(x, (*conv.sides, 1, 0))


class VerticalInput(nn.Module):
    """The first layer of the vertical stream: two rows above the pixel, three columns."""

    def __init__(self, colours: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(colours + 1, channels, (2, 3))

    def forward(self, image: Tensor) -> Tensor:
        """Return the map (B, F, H, W) of an image (B, C + 1, H, W) whose last channel is one."""
        return self.of_window(pad(image, (1, 1, 2, 0))[:, :, :-1])

    def of_window(self, above: Tensor) -> Tensor:
        """Return the map, given the rows above each row, with one more column on both sides."""
        result: Tensor = self.conv(above)
        return result


class HorizontalInput(nn.Module):
    """The first layer of the horizontal stream: three pixels of the row above, and the pixel to the left."""

    def __init__(self, colours: int, channels: int) -> None:
        super().__init__()
        self.above = nn.Conv2d(colours + 1, channels, (1, 3))
        self.left = nn.Conv2d(colours + 1, channels, 1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the map (B, F, H, W) of an image (B, C + 1, H, W) whose last channel is one."""
        return self.of_window(pad(image, (1, 1, 1, 0))[:, :, :-1], pad(image, (1, 0))[..., :-1])

    def of_window(self, above: Tensor, left: Tensor) -> Tensor:
        """Return the map, given the row above with one more column on both sides, and the pixel left of each."""
        result: Tensor = self.above(above) + self.left(left)
        return result


class GatedBlock(nn.Module):
    """A gated residual block (arXiv 1701.05517, section 2.4 and the authors' gated_resnet).

    Args:
        layer: determines the stream and the number of short-cut connections.
        channels: F. features: K, 0 without a condition.
    """

    def __init__(self, layer: Layer, channels: int, features: int) -> None:
        super().__init__()
        self.first = ShiftedConv(2 * channels, channels, layer.stream)
        joined = 2 * channels * len(layer.shortcuts)
        self.shortcut = nn.Conv2d(joined, channels, 1, bias=False) if joined else None
        self.second = ShiftedConv(2 * channels, 2 * channels, layer.stream)
        # initialise near the identity, so that depth does not hinder the first steps of training
        self.second.weight.data *= 0.1
        self.condition = nn.Linear(features, 2 * channels, bias=False) if features else None

    def forward(
        self, x: Tensor, shortcuts: Sequence[Tensor], features: Tensor | None,
        drop: Callable[[Tensor], Tensor], window: Window = padded,
    ) -> Tensor:  # fmt: skip
        """Return the map after the block, of the shape of x (B, F, H, W).

        Args:
            shortcuts: maps of the shape of x. features: (B, K). drop: dropout, or the identity.
            window: function that returns the window of a convolution on a map.
        """
        sums = self.first(window(self.first, concat_elu(x)))
        if self.shortcut is not None:
            sums = sums + self.shortcut(torch.cat([concat_elu(other) for other in shortcuts], 1))
        sums = self.second(window(self.second, drop(concat_elu(sums))))
        if self.condition is not None:
            sums = sums + self.condition(features)[:, :, None, None]
        value, opening = sums.chunk(2, 1)
        return x + value * torch.sigmoid(opening)


def module_of(layer: Layer, colours: int, channels: int, features: int) -> nn.Module:
    """Return the module of one layer of the plan."""
    if layer.kind == "input":
        return (VerticalInput if layer.stream == VERTICAL else HorizontalInput)(colours, channels)
    if layer.kind == "down":
        return ShiftedConv(channels, channels, layer.stream, stride=2)
    if layer.kind == "up":
        return nn.ConvTranspose2d(channels, channels, 2, stride=2)
    return GatedBlock(layer, channels, features)
