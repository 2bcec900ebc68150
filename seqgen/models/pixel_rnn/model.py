"""PixelRNN: two-dimensional LSTMs that predict every pixel from the pixels before it (Zhou, lecture 22, "PixelRNN and
PixelCNN"; van den Oord et al. 2016, arXiv 1601.06759).

A masked convolution (mask A), LSTM layers with residual connections, and 1×1 convolutions (mask B) to a softmax
over the levels. The order is raster order, and R, G, B within a pixel.
Shapes: B batch, C colours, H rows, W columns, L levels, F units of an LSTM, D = 2F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from seqgen.checks import seed_number
from seqgen.codecs.pixels import Pixels
from seqgen.conditions.image import Conditions
from seqgen.image.model import ImageModel, dropper, scaled
from seqgen.models.pixel_cnn import MaskedConv
from seqgen.models.pixel_rnn.layers import DiagonalBiLSTM, RowLSTM
from seqgen.models.pixel_rnn.schema import CONFIGURATION


class PixelRNN(ImageModel):
    """An autoregressive image model of recurrent layers, with an exact likelihood.

    Args:
        shape: (colours, rows, columns) of the images.
        levels: values a pixel may take, 0 to levels - 1; 2 to 256.
        channels: units F of each LSTM, a multiple of the number of colours; the maps between layers have 2F channels.
        layers: number of LSTM layers.
        kind: "row", an LSTM from top to bottom (H steps in training), whose receptive field is a triangle above the
            pixel
            that widens by half a kernel per row; or "diagonal", two LSTMs along the diagonals (H + W - 1 steps), whose
            receptive field is all pixels before.
        kernel_size: kernel size of the Row LSTM's convolutions, odd; not used by the diagonal kind.
        first_kernel_size: kernel size of the first convolution, odd, at least 3.
        head_channels: width of the hidden layer of the output; None is 2F.
        dropout: dropout probability of the outputs of an LSTM, in training only.
        seed: seed of the initial weights.

    Example:
        >>> model = PixelRNN((1, 4, 4), levels=2, channels=4, layers=1, kind="diagonal")
        >>> model.log_prob([[0] * 16] * 3).shape
        torch.Size([3])
        >>> model.sample(2, seed=1).shape
        (2, 1, 4, 4)
    """

    family = "pixel-rnn"

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        levels: int = 2,
        channels: int = 32,
        layers: int = 2,
        *,
        kind: str = "row",
        kernel_size: int = 3,
        first_kernel_size: int = 7,
        head_channels: int | None = None,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.codec = Pixels(shape, levels)
        self.conditions = Conditions.checked(self.codec)
        colours = self.codec.shape[0]
        features = 2 * CONFIGURATION["channels"].check("channels", channels)
        given = CONFIGURATION.check(
            self.codec, channels=channels, layers=layers, kind=kind, kernel_size=kernel_size,
            first_kernel_size=first_kernel_size, head_channels=features if head_channels is None else head_channels,
            dropout=dropout,
        )  # fmt: skip
        self.channels, self.head_channels, self.kind = (
            given["channels"],
            given["head_channels"],
            given["kind"],
        )
        self.kernel_size, self.first_kernel_size = given["kernel_size"], given["first_kernel_size"]
        self.dropout = given["dropout"]
        depth, head = given["layers"], self.head_channels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
            self.first = FirstConv(colours, features, self.first_kernel_size)
            self.layers = nn.ModuleList(
                RowLSTM(colours, self.channels, self.kernel_size)
                if self.kind == "row"
                else DiagonalBiLSTM(colours, self.channels)
                for _ in range(depth)
            )
            self.hidden = MaskedConv(features, head, (1, 1), colours)
            self.output = MaskedConv(head, colours * self.codec.levels, (1, 1), colours)

    def scale(self, x: Tensor) -> Tensor:
        """Scale levels to the network's inputs from -1 to 1; padding is 0."""
        return scaled(x, self.codec.levels, self.output.weight)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the logits (B, C, L, H, W) of every pixel given those before it; see `ImageModel.forward`."""
        drop = dropper(self.dropout, dropout_generator)
        image = self.scale(x)
        features = self.first(image)
        for layer in self.layers:
            features = layer(features, image, drop)
        return self.head(features)

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (B, C, L, H, W), given the last layer's features (B, D, H, W)."""
        logits = self.output(relu(self.hidden(relu(features))))
        return logits.unflatten(1, (self.codec.shape[0], self.codec.levels))

    # ---- the generator interface ----------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {
            "codec": self.codec.config(),
            "channels": self.channels,
            "layers": len(self.layers),
            "kind": self.kind,
            "kernel_size": self.kernel_size,
            "first_kernel_size": self.first_kernel_size,
            "head_channels": self.head_channels,
            "dropout": self.dropout,
        }


class FirstConv(nn.Module):
    """A k × k convolution with mask A, in two parts: the rows above the pixel, and its row up to the pixel."""

    def __init__(self, colours: int, features: int, kernel: int) -> None:
        super().__init__()
        self.side = kernel // 2
        self.above = nn.Conv2d(colours, features, (self.side, kernel))
        self.beside = MaskedConv(colours, features, (1, self.side + 1), colours, strict=True, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the features (B, D, H, W) of an image (B, C, H, W)."""
        side = self.side
        above = self.above(pad(image, (side, side, side, 0))[:, :, :-1])
        return above + self.beside(pad(image, (side, 0, 0, 0)))
