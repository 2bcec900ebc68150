"""The building blocks of PixelCNN++: shifted convolutions, gated residual blocks, down- and up-sampling.

No convolution pads by itself: its caller hands it the window that it reads. For a whole image that is the map padded
by `padded`; a sampler hands it a piece of its cache, and so both run this same code.
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
    """elu(x) and elu(-x) as twice the channels."""
    return elu(torch.cat([x, -x], 1))


class ShiftedConv(nn.Conv2d):
    """A convolution over two rows, the upper one and the own: of three columns, or of the own and the one before.

    Args:
        inputs, outputs: channels.
        stream: VERTICAL, whose own row is already all of pixels above, so that it may be looked at to the right;
            or HORIZONTAL, which looks to the left only.
        stride: 2 is down-sampling.
    """

    def __init__(self, inputs: int, outputs: int, stream: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, (2, 3 if stream == VERTICAL else 2), stride)
        self.sides = (1, 1 if stream == VERTICAL else 0)


def padded(conv: ShiftedConv, x: Tensor) -> Tensor:
    """The window on a whole map: zeros above and beside it."""
    return pad(x, (*conv.sides, 1, 0))


class VerticalInput(nn.Module):
    """The first map of the vertical stream: two rows above the pixel, three columns."""

    def __init__(self, colours: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(colours + 1, channels, (2, 3))

    def forward(self, image: Tensor) -> Tensor:
        """(B, F, H, W) of an image (B, C + 1, H, W) whose last channel is one."""
        return self.of_window(pad(image, (1, 1, 2, 0))[:, :, :-1])

    def of_window(self, above: Tensor) -> Tensor:
        """Of the rows above each row, with a column more on both sides."""
        result: Tensor = self.conv(above)
        return result


class HorizontalInput(nn.Module):
    """The first map of the horizontal stream: three pixels of the row above, and the pixel to the left."""

    def __init__(self, colours: int, channels: int) -> None:
        super().__init__()
        self.above = nn.Conv2d(colours + 1, channels, (1, 3))
        self.left = nn.Conv2d(colours + 1, channels, 1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """(B, F, H, W) of an image (B, C + 1, H, W) whose last channel is one."""
        return self.of_window(pad(image, (1, 1, 1, 0))[:, :, :-1], pad(image, (1, 0))[..., :-1])

    def of_window(self, above: Tensor, left: Tensor) -> Tensor:
        """Of the row above with a column more on both sides, and of the pixel before each."""
        result: Tensor = self.above(above) + self.left(left)
        return result


class GatedBlock(nn.Module):
    """A gated residual block (arXiv 1701.05517, section 2.4 and the authors' gated_resnet).

    Args:
        layer: stream, and how many short-cuts join.
        channels: F. features: K, 0 is no condition.
    """

    def __init__(self, layer: Layer, channels: int, features: int) -> None:
        super().__init__()
        self.first = ShiftedConv(2 * channels, channels, layer.stream)
        joined = 2 * channels * len(layer.shortcuts)
        self.shortcut = nn.Conv2d(joined, channels, 1, bias=False) if joined else None
        self.second = ShiftedConv(2 * channels, 2 * channels, layer.stream)
        # a block begins near the identity, so that depth does no harm to the first steps of training
        self.second.weight.data *= 0.1
        self.condition = nn.Linear(features, 2 * channels, bias=False) if features else None

    def forward(
        self, x: Tensor, shortcuts: Sequence[Tensor], features: Tensor | None,
        drop: Callable[[Tensor], Tensor], window: Window = padded,
    ) -> Tensor:  # fmt: skip
        """The map after the block, of the shape of x (B, F, H, W).

        Args:
            shortcuts: maps of the shape of x. features: (B, K). drop: dropout, or the identity.
            window: gives a convolution what it reads of the map that it is called with.
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
    """The module of one layer of the plan."""
    if layer.kind == "input":
        return (VerticalInput if layer.stream == VERTICAL else HorizontalInput)(colours, channels)
    if layer.kind == "down":
        return ShiftedConv(channels, channels, layer.stream, stride=2)
    if layer.kind == "up":
        return nn.ConvTranspose2d(channels, channels, 2, stride=2)
    return GatedBlock(layer, channels, features)
