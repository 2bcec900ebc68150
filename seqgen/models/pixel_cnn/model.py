"""PixelCNN: masked convolutions that predict every pixel from the pixels before it (Zhou, lecture 22, "PixelRNN and
PixelCNN"; van den Oord et al. 2016, arXiv 1601.06759 and 1606.05328).

The order is raster order, and R, G, B within a pixel. The gated network has two stacks: the vertical stack covers the
rows above, the horizontal stack the pixels to the left and the vertical stack, so that there is no blind spot. The
plain network is that of the first paper, which has a blind spot. Both may be conditioned on a class, a vector, and a
guide: an image of the same or a smaller size.
Shapes: B batch, C colours, H rows, W columns, L levels, F channels, K features of the condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from seqgen.checks import seed_number
from seqgen.codecs.pixels import Pixels
from seqgen.image.model import ImageModel, dropper, scaled
from seqgen.image.schema import conditions_of
from seqgen.models.pixel_cnn.layers import GatedLayer, MaskedConv, PlainLayer
from seqgen.models.pixel_cnn.schema import CONFIGURATION


class PixelCNN(ImageModel):
    """An autoregressive image model with an exact likelihood and one parallel pass over all pixels.

    Args:
        shape: (colours, rows, columns) of the images.
        levels: values a pixel may take, 0 to levels - 1; 2 to 256.
        channels: width F of the stacks, a multiple of the number of colours.
        layers: depth, including the first layer.
        classes: number of classes to condition on, or None.
        condition_size: length of a vector to condition on, or None.
        guide: (colours, rows, columns) of an image to condition on, whose levels are those of the model and
            whose rows and columns divide those of `shape`; or None.
        position: add learned biases per row and column to the sums of the first layer, because a convolution does not
            depend on the position in the image except near a border.
        gated: two gated stacks; False is the plain PixelCNN.
        kernel_size: kernel size of all layers but the first, odd. first_kernel_size: that of the first, odd.
        head_channels: width of the hidden layer of the output; None is F.
        dropout: dropout probability of the gates' outputs, in training only.
        seed: seed of the initial weights.

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
        given = CONFIGURATION.check(
            self.codec, channels=channels, layers=layers, classes=classes, condition_size=condition_size, guide=guide,
            position=position, gated=gated, kernel_size=kernel_size, first_kernel_size=first_kernel_size,
            head_channels=channels if head_channels is None else head_channels, dropout=dropout,
        )  # fmt: skip
        self.conditions = conditions_of(self.codec, given)
        self.channels, self.head_channels = given["channels"], given["head_channels"]
        self.gated, self.dropout = given["gated"], given["dropout"]
        self.kernel_size, self.first_kernel_size = given["kernel_size"], given["first_kernel_size"]
        depth, head = given["layers"], self.head_channels
        layer_class = GatedLayer if self.gated else PlainLayer
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
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
            if given["position"]:
                _, rows, columns = self.codec.shape
                width = stack[0].condition_width
                self.row_bias = nn.Parameter(0.01 * torch.randn(rows, width))
                self.column_bias = nn.Parameter(0.01 * torch.randn(columns, width))
            if self.guide_net is not None:
                for layer in stack:
                    layer.take_guide(self.channels)

    # ---- computing ------------------------------------------------------------------------------------

    def scale(self, x: Tensor) -> Tensor:
        """Scale levels to the network's inputs from -1 to 1; padding is 0."""
        return scaled(x, self.codec.levels, self.output.weight)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the logits (B, C, L, H, W) of every pixel given those before it; see `ImageModel.forward`."""
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
        """Return `extra`, plus the learned biases of rows and columns, for the sums of the first layer."""
        if self.row_bias is None or self.column_bias is None:
            return extra
        own = (self.row_bias[:, None] + self.column_bias).permute(2, 0, 1)[None]
        return own if extra is None else extra + own

    def guided(self, guide: Tensor) -> Tensor:
        """Return the features (B, F, H, W) of guides (B, C', H', W'), enlarged to the size of the image."""
        assert self.guide_net is not None
        rows, columns = self.codec.shape[1] // guide.shape[2], self.codec.shape[2] // guide.shape[3]
        large = self.scale(guide).repeat_interleave(rows, 2).repeat_interleave(columns, 3)
        return relu(self.guide_net(large))

    # ---- the generator interface ----------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
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
