"""A convolutional encoder from images to codes of m numbers, and the corresponding transposed-convolution decoder.

They form a plain auto-encoder; the PixelCNN auto-encoder has the same encoder (van den Oord et al. 2016, arXiv
1606.05328, section 3.3).
Shapes: B batch, C colours, H rows, W columns, F channels, m bottleneck.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from seqgen.codecs.pixels import Pixels
from seqgen.image.model import scaled


class ImageEncoder(nn.Module):
    """Three convolutions, two of them with stride 2, followed by a linear map to the code.

    The result z of the map is divided by sqrt(1 + mean of z²), which keeps the root mean square of the code below 1.
    Unbounded codes of many numbers grow early in training until they saturate all gates of a PixelCNN.

    Args:
        codec: that of the images.
        channels: F, the width of the first convolution; the others have 2F.
        bottleneck: m, the length of the code.
    """

    def __init__(self, codec: Pixels, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.levels = codec.levels
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(codec.shape[0], channels, 3, padding=1),
                nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
                nn.Conv2d(2 * channels, 2 * channels, 3, stride=2, padding=1),
            ]
        )
        self.code = nn.Linear(2 * channels * _left(codec.shape[1]) * _left(codec.shape[2]), bottleneck)

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes (B, m) of images (B, C, H, W) of levels."""
        hidden = scaled(x, self.levels, self.code.weight)
        for convolution in self.convolutions:
            hidden = relu(convolution(hidden))
        code: Tensor = self.code(hidden.flatten(1))
        return code * torch.rsqrt(1.0 + code.square().mean(1, keepdim=True))


class ImageDecoder(nn.Module):
    """The mirrored encoder, from codes to intensities; arguments as in `ImageEncoder`.

    The output is linear, so that the squared error has a gradient everywhere: with a sigmoid output, dark images can
    saturate the network at black, where gradients vanish.
    """

    def __init__(self, codec: Pixels, channels: int, bottleneck: int) -> None:
        super().__init__()
        _, rows, columns = codec.shape
        self.grid = (2 * channels, _left(codec.shape[1]), _left(codec.shape[2]))
        self.sizes = ((-(-rows // 2), -(-columns // 2)), (rows, columns))
        self.code = nn.Linear(bottleneck, self.grid[0] * self.grid[1] * self.grid[2])
        self.deconvolutions = nn.ModuleList(
            [
                nn.ConvTranspose2d(2 * channels, 2 * channels, 3, stride=2, padding=1),
                nn.ConvTranspose2d(2 * channels, channels, 3, stride=2, padding=1),
            ]
        )
        self.output = nn.Conv2d(channels, codec.shape[0], 3, padding=1)

    def forward(self, code: Tensor) -> Tensor:
        """Return the intensities (B, C, H, W) of codes (B, m), mostly from 0 to 1."""
        hidden = relu(self.code(code)).unflatten(1, self.grid)
        for deconvolution, size in zip(self.deconvolutions, self.sizes, strict=True):
            hidden = relu(deconvolution(hidden, output_size=size))
        intensities: Tensor = self.output(hidden)
        return intensities


def _left(size: int) -> int:
    """Return the number of rows or columns after two strides of 2."""
    return -(-size // 4)
