"""PixelCNN: every pixel's levels from a masked convolution over the pixels before it (seed 004, "PixelRNN and
PixelCNN"; van den Oord et al. 2016, arXiv 1601.06759 and 1606.05328).

The order is raster order, and R, G, B within a pixel. The gated network has two stacks: the vertical one sees the
rows above, the horizontal one the pixels to the left and the vertical stack, so that no pixel before is hidden
from any (no blind spot). The plain network is the first paper's, blind spot included. Both may be conditioned on
a class, a vector, and a guide: an image of the same or a smaller size that every pixel may look at.
Shapes: B batch, C colours, H rows, W columns, L levels, F channels, K features of the condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu

from seqgen.checkpoint import Weights
from seqgen.codecs.pixels import Pixels
from seqgen.errors import integer, real
from seqgen.models.checks import multiple, odd
from seqgen.models.conditions import Conditions
from seqgen.models.image_model import ImageModel, dropper
from seqgen.models.masks import colour_mask


class PixelCNN(ImageModel):
    """An autoregressive image model with an exact likelihood and one parallel pass over all pixels.

    Args:
        shape: (colours, rows, columns) of the images.
        levels: values a pixel may take, 0 to levels - 1; 2 to 256.
        channels: width F of the stacks, a multiple of the number of colours.
        layers: depth, the first layer included.
        classes: number of classes to condition on, or None.
        condition_size: length of a vector to condition on, or None.
        guide: (colours, rows, columns) of an image to condition on, whose levels are those of the model and
            whose rows and columns divide those of `shape`; or None.
        position: add what is learned of every row and column to the sums of the first layer. A convolution alone
            does not know where in the image it is, unless a border is near.
        gated: two gated stacks; False is the plain PixelCNN.
        kernel_size: of all layers but the first, odd. first_kernel_size: of the first, odd.
        head_channels: width of the hidden layer of the output; None is F.
        dropout: probability of dropping a gate's output, in training only.
        seed: of the initial weights.

    Example:
        >>> model = PixelCNN((1, 4, 4), levels=2, channels=8, layers=2)
        >>> model.log_prob([[0] * 16] * 3).shape
        torch.Size([3])
        >>> model.sample(2, seed=1).shape
        (2, 1, 4, 4)
    """

    family = "pixel-cnn"

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        levels: int = 2,
        channels: int = 64,
        layers: int = 7,
        classes: int | None = None,
        *,
        condition_size: int | None = None,
        guide: Sequence[int] | None = None,
        position: bool = False,
        gated: bool = True,
        kernel_size: int = 3,
        first_kernel_size: int = 7,
        head_channels: int | None = None,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.codec = Pixels(shape, levels)
        colours = self.codec.shape[0]
        self.channels = multiple("channels", channels, colours)
        head = self.channels if head_channels is None else multiple("head_channels", head_channels, colours)
        self.head_channels = head
        self.gated = bool(gated)
        self.kernel_size = odd("kernel_size", kernel_size, low=1)
        self.first_kernel_size = odd("first_kernel_size", first_kernel_size, low=3)
        self.dropout = real("dropout", dropout, low=0.0, below=1.0)
        self.conditions = Conditions.checked(self.codec, classes, condition_size, guide)
        depth = integer("layers", layers, low=1)
        layer_class = GatedLayer if self.gated else PlainLayer
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer("seed", seed, low=0))
            stack: list[Any] = [
                layer_class(
                    colours, self.channels, self.kernel_size if k else self.first_kernel_size, k == 0,
                    self.conditions.features,
                )
                for k in range(depth)
            ]  # fmt: skip
            self.layers = nn.ModuleList(stack)
            self.hidden = MaskedConv(self.channels, head, (1, 1), colours)
            self.output = MaskedConv(head, colours * self.codec.levels, (1, 1), colours)
            self.guide_net = (
                nn.Conv2d(self.conditions.guide[0], self.channels, 3, padding=1)
                if self.conditions.guide
                else None
            )
            self.row_bias = self.column_bias = None
            if position:
                _, rows, columns = self.codec.shape
                width = stack[0].condition_width
                self.row_bias = nn.Parameter(0.01 * torch.randn(rows, width))
                self.column_bias = nn.Parameter(0.01 * torch.randn(columns, width))
            if self.guide_net is not None:
                for layer in stack:
                    layer.guide = nn.Conv2d(self.channels, layer.condition_width, 1, bias=False)

    # ---- computing ------------------------------------------------------------------------------------

    def scale(self, x: Tensor) -> Tensor:
        """Levels as numbers from -1 to 1, which is what the network reads; outside of the image it reads 0."""
        return x.to(self.output.weight.dtype) * (2.0 / (self.codec.levels - 1)) - 1.0

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Logits (B, C, L, H, W) of every pixel given those before it; see `ImageModel.forward`."""
        given = condition or {}
        features = given.get("features")
        guide = self.guided(given["guide"]) if self.guide_net is not None else None
        drop = dropper(self.dropout, dropout_generator)
        image = self.scale(x).to(memory_format=torch.channels_last)
        vertical, horizontal, skip = image, image, image.new_zeros(())
        stack: list[Any] = list(self.layers)
        for number, layer in enumerate(stack):
            extra = layer.extra(features, guide)
            if number == 0:
                extra = self.placed(extra)
            vertical, horizontal, part = layer(vertical, horizontal, extra, drop)
            skip = skip + part
        logits = self.output(relu(self.hidden(relu(skip))))
        return logits.unflatten(1, (self.codec.shape[0], self.codec.levels))

    def placed(self, extra: Tensor | None) -> Tensor | None:
        """What is added to the sums of the first layer, with what is learned of rows and columns."""
        if self.row_bias is None or self.column_bias is None:
            return extra
        own = (self.row_bias[:, None] + self.column_bias).permute(2, 0, 1)[None]
        return own if extra is None else extra + own

    def guided(self, guide: Tensor) -> Tensor:
        """The features (B, F, H, W) of guides (B, C', H', W'), enlarged to the size of the image."""
        assert self.guide_net is not None
        rows, columns = self.codec.shape[1] // guide.shape[2], self.codec.shape[2] // guide.shape[3]
        large = self.scale(guide).repeat_interleave(rows, 2).repeat_interleave(columns, 3)
        return relu(self.guide_net(large))

    # ---- the generator contract -----------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """What the constructor was given, as JSON values."""
        return {
            "codec": self.codec.config(),
            "channels": self.channels,
            "layers": len(self.layers),
            **self.conditions.config(),
            "position": self.row_bias is not None,
            "gated": self.gated,
            "kernel_size": self.kernel_size,
            "first_kernel_size": self.first_kernel_size,
            "head_channels": self.head_channels,
            "dropout": self.dropout,
        }

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        config = dict(weights.config)
        codec = config.pop("codec")
        model = cls(codec["shape"], codec["levels"], **config)
        model.take_arrays(weights)
        return model


class MaskedConv(nn.Conv2d):
    """A convolution whose last column of taps is the current pixel and sees only the colours that come before.

    Args:
        inputs, outputs: channels; both are made of equal groups, one for each colour.
        size: (rows, columns) of the kernel.
        colours: number of groups.
        strict: hide the pixel's own colour as well (mask A), or not (mask B).
        repeats: how many times the groups are repeated among the outputs (2 for the halves of a gate).
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
        """Convolve without padding; the caller pads, so that the current pixel is the last tap."""
        assert isinstance(self.mask, Tensor)
        return conv2d(x, self.weight * self.mask if self.masked else self.weight, self.bias)


class GatedLayer(nn.Module):
    """One layer of the vertical and the horizontal stack (arXiv 1606.05328, figure 2, with a skip output)."""

    def __init__(self, colours: int, channels: int, kernel: int, first: bool, features: int) -> None:
        super().__init__()
        inputs = colours if first else channels
        self.first, self.kernel = first, kernel
        # the vertical stack of a row has seen the rows above it: only the first layer must not look at its row
        self.vertical = nn.Conv2d(inputs, 2 * channels, (kernel // 2 + (not first), kernel))
        self.link = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.horizontal = MaskedConv(
            inputs, 2 * channels, (1, kernel // 2 + 1), colours, strict=first, repeats=2, bias=False
        )
        self.mix = MaskedConv(channels, 2 * channels, (1, 1), colours, repeats=2)
        self.condition_width = 4 * channels
        self.condition = nn.Linear(features, self.condition_width, bias=False) if features else None
        self.guide: nn.Conv2d | None = None

    def extra(self, features: Tensor | None, guide: Tensor | None) -> Tensor | None:
        """What the condition adds to the sums of both stacks: (B, 4F, 1 or H, 1 or W), vertical ones first."""
        return _extra(self.condition, self.guide, features, guide)

    def forward(
        self, vertical: Tensor, horizontal: Tensor, extra: Tensor | None, drop: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The two stacks (B, F, H, W) after the layer, and its skip output (B, F, H, W)."""
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


class PlainLayer(nn.Module):
    """A masked convolution, ReLU and a residual connection; the same signature as `GatedLayer`, one stack."""

    def __init__(self, colours: int, channels: int, kernel: int, first: bool, features: int) -> None:
        super().__init__()
        inputs = colours if first else channels
        self.first, self.kernel = first, kernel
        # the two parts of one masked kernel: the rows above the pixel, and its own row up to itself
        self.vertical = nn.Conv2d(inputs, channels, (kernel // 2, kernel)) if kernel > 1 else None
        self.horizontal = MaskedConv(
            inputs, channels, (1, kernel // 2 + 1), colours, strict=first, bias=kernel == 1
        )
        self.mix = MaskedConv(channels, 2 * channels, (1, 1), colours, repeats=2)
        self.condition_width = channels
        self.condition = nn.Linear(features, self.condition_width, bias=False) if features else None
        self.guide: nn.Conv2d | None = None

    def extra(self, features: Tensor | None, guide: Tensor | None) -> Tensor | None:
        """What the condition adds to the sums: (B, F, 1 or H, 1 or W)."""
        return _extra(self.condition, self.guide, features, guide)

    def forward(
        self, vertical: Tensor, horizontal: Tensor, extra: Tensor | None, drop: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The stack (B, F, H, W) after the layer twice, and its skip output; `vertical` is not looked at."""
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
    """tanh of the first half of the channels times the sigmoid of the second."""
    left, right = sums.chunk(2, 1)
    return torch.tanh(left) * torch.sigmoid(right)


def _extra(
    linear: nn.Linear | None, convolution: nn.Conv2d | None, features: Tensor | None, guide: Tensor | None
) -> Tensor | None:
    total = None
    if linear is not None:
        assert features is not None
        total = linear(features)[:, :, None, None]
    if convolution is not None:
        assert guide is not None
        part = convolution(guide)
        total = part if total is None else total + part
    return total
