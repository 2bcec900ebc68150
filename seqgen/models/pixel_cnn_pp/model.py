"""PixelCNN++ (Salimans, Karpathy, Chen, Kingma 2017, arXiv 1701.05517; Chintala, "PixelCNN++"): an autoregressive image
model whose output is a few mixture parameters per pixel instead of one logit per level.

It conditions on whole pixels, works at several resolutions with short-cut connections, and outputs a mixture of
discretized logistics for each pixel. The vertical stream covers the rows above, the horizontal stream also the pixels
to the left. Differences from the authors' program: no weight normalisation, up-sampling of one position to the 2×2
below it in both streams, and any image size.
Shapes: B batch, C colours, H rows, W columns, L levels, F channels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import elu

from seqgen.checks import seed_number
from seqgen.codecs.pixels import Pixels
from seqgen.image.model import ImageModel, dropper, scaled
from seqgen.image.schema import conditions_of
from seqgen.models.pixel_cnn_pp.layers import ShiftedConv, module_of, padded
from seqgen.models.pixel_cnn_pp.logistics import LogisticMixture
from seqgen.models.pixel_cnn_pp.plan import groups, places, plan
from seqgen.models.pixel_cnn_pp.schema import CONFIGURATION


class PixelCNNpp(ImageModel):
    """An autoregressive image model for many levels, with an exact likelihood of every sub-pixel.

    Args:
        shape: (colours, rows, columns) of the images; any size.
        levels: values a pixel may take, 0 to levels - 1; 2 to 256.
        channels: width F of both streams.
        blocks: gated residual blocks at each resolution of the first half.
        scales: number of resolutions, each with half the rows and columns of the previous one.
        classes: number of classes to condition on, or None.
        condition_size: length of a vector to condition on, or None.
        mixtures: components of a pixel's distribution.
        dropout: dropout probability within a block, in training only.
        seed: seed of the initial weights.

    Example:
        >>> model = PixelCNNpp((3, 4, 4), levels=8, channels=8, blocks=1, scales=2, mixtures=2)
        >>> model.log_prob([[[[0] * 4] * 4] * 3]).shape
        torch.Size([1])
        >>> model.sample(2, seed=1).shape
        (2, 3, 4, 4)
    """

    family = "pixel-cnn-pp"

    def __init__(
        self,
        shape: Sequence[int] = (3, 32, 32),
        levels: int = 256,
        channels: int = 32,
        blocks: int = 2,
        scales: int = 3,
        classes: int | None = None,
        *,
        condition_size: int | None = None,
        mixtures: int = 10,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.codec = Pixels(shape, levels)
        colours = self.codec.shape[0]
        given = CONFIGURATION.check(
            self.codec, channels=channels, blocks=blocks, scales=scales, classes=classes, condition_size=condition_size,
            mixtures=mixtures, dropout=dropout,
        )  # fmt: skip
        self.conditions = conditions_of(self.codec, given)
        self.channels, self.blocks, self.scales = given["channels"], given["blocks"], given["scales"]
        self.mixtures, self.dropout = given["mixtures"], given["dropout"]
        self.plan = plan(self.blocks, self.scales)
        features = self.conditions.features
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
            self.layers = nn.ModuleList(
                module_of(layer, colours, self.channels, features) for layer in self.plan
            )
            self.head = nn.Conv2d(self.channels, groups(colours) * self.mixtures, 1)
        assert self.head.bias is not None
        start = self.head.bias.data.unflatten(0, (groups(colours), self.mixtures))
        # initialise components with distinct means and scales about equal to their distances
        start[1 : 1 + colours] = torch.linspace(-1, 1, self.mixtures + 2)[1:-1]
        start[1 + colours : 1 + 2 * colours] = -2.0

    # ---- computing ------------------------------------------------------------------------------------

    def network(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the parameters (B, P, H, W) of every pixel's mixture, for `LogisticMixture`; see `forward`."""
        features = (condition or {}).get("features")
        drop = dropper(self.dropout, dropout_generator)
        image = self.with_ones(x).to(memory_format=torch.channels_last)
        rows, columns = x.shape[2:]
        maps: list[Tensor] = []
        for layer, module in zip(self.plan, self.layers, strict=True):
            source = image if layer.kind == "input" else maps[layer.source]
            if layer.kind == "block":
                made = module(source, [maps[k] for k in layer.shortcuts], features, drop)
            elif isinstance(module, ShiftedConv):
                made = module(padded(module, source))
            elif layer.kind == "up":
                made = module(source)[:, :, : places(rows, layer.scale), : places(columns, layer.scale)]
            else:
                made = module(source)
            maps.append(made)
        result: Tensor = self.head(elu(maps[-1]))
        return result

    def with_ones(self, x: Tensor) -> Tensor:
        """Scale levels (B, C, H, W) to -1 … 1 and append a channel of ones, which tells the image from padding."""
        image = scaled(x, self.codec.levels, self.head.weight)
        return torch.cat([image, torch.ones_like(image[:, :1])], 1)

    def mixture(self, raw: Tensor) -> LogisticMixture:
        """Return the distributions of an output of `network`."""
        return LogisticMixture(raw, self.codec.shape[0], self.codec.levels)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return normalised log-probabilities (B, C, L, H, W) of all levels of every sub-pixel, in at least float32."""
        mixture = self._distribution(x, condition, dropout_generator)
        return torch.stack([mixture.level_log_probs(x, colour) for colour in range(self.codec.shape[0])], 1)

    def pixel_log_probs(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        return self._distribution(x, condition, dropout_generator).log_probs(x)

    def _distribution(
        self, x: Tensor, condition: Mapping[str, Tensor] | None, dropout_generator: torch.Generator | None
    ) -> LogisticMixture:
        """Return the mixtures: for training in float32 or, in parts, bfloat16; otherwise in float64.

        A narrow component magnifies the rounding of its mean by up to 1097, the inverse of the lowest scale.
        """
        if dropout_generator is not None:
            # the likelihood is not computed in bfloat16, even if the convolutions are
            return self.mixture(self.network(x, condition, dropout_generator=dropout_generator).float())
        precise = {f"model.{name}": parameter.double() for name, parameter in self.named_parameters()}
        given = {name: value.double() for name, value in (condition or {}).items() if name == "features"}
        # `functional_call` exchanges the parameters of the module during the call, which other threads may use
        network = _Network(copy.deepcopy(self))
        with torch.autocast(x.device.type, enabled=False):
            return self.mixture(functional_call(network, precise, (x, given)))

    # ---- the generator interface ----------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {
            "codec": self.codec.config(),
            "channels": self.channels,
            "blocks": self.blocks,
            "scales": self.scales,
            "classes": self.conditions.classes,
            "condition_size": self.conditions.vector,
            "mixtures": self.mixtures,
            "dropout": self.dropout,
        }


class _Network(nn.Module):
    """The network of a model as a module, for `functional_call`."""

    def __init__(self, model: PixelCNNpp) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, condition: Mapping[str, Tensor] | None) -> Tensor:
        return self.model.network(x, condition)
