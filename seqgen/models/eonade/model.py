"""EoNADE, the order-agnostic deep NADE (Uria, Murray and Larochelle 2014, "A deep and tractable density estimator",
arXiv 1310.1757; Zhou, lecture 22, for NADE): one network for the factors of all orders of the dimensions,

    h_1 = relu(c + Σ_{j known} (u_j + w_j x_j)),   h_k = relu(H_k h_{k-1} + c_k),
    p(x_i = 1 | known) = sigmoid(v_i · h + b_i),

whose inputs are the known values and their mask. It is trained on random subsets of known dimensions. For each order it
defines an exact density, so it can be sampled in any order and completes any set of known pixels; different orders
define different densities, which an ensemble averages. More than two levels are handled as in `nade`.
Shapes: B batch, C colours, H rows, W columns, L levels, D = C·H·W dimensions, F hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, relu

from seqgen.checks import seed_number
from seqgen.conditions.image import Conditions
from seqgen.image.model import ImageModel
from seqgen.image.raster import image_codec, to_images, to_vectors
from seqgen.models.eonade.orders import checked_orders
from seqgen.models.eonade.schema import CONFIGURATION
from seqgen.models.nade import BLOCK, earlier

_MOST_UNITS = 1 << 24


class EoNADE(ImageModel):
    """An order-agnostic NADE over images, with one or more hidden layers.

    The `condition` of a sample is its drawing order, a permutation of the dimensions' numbers in raster order as an
    array or tuple; None is raster order. Known pixels come first in any order.

    Args:
        dimensions: D, pixels times colours.
        hidden_size: F, units per hidden layer.
        layers: number of hidden layers.
        levels: values a pixel may take, 0 to levels - 1; 2 to 256.
        shape: (colours, rows, columns); None is a square of one colour, or one row if D is not a square number.
        seed: seed of the initial weights.

    Example:
        >>> model = EoNADE(4, 8)
        >>> backwards = np.array([3, 2, 1, 0])
        >>> model.log_prob([[0, 1, 1, 0]], condition=backwards).shape
        torch.Size([1])
        >>> model.sample(2, seed=1, condition=backwards, prompt=(-1, 1, -1, -1))[:, 0, 0, 1].tolist()
        [1, 1]
    """

    family = "eonade"
    completes: ClassVar[str] = "any"

    def __init__(
        self, dimensions: int = 784, hidden_size: int = 500, layers: int = 1,
        *, levels: int = 2, shape: Sequence[int] | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.codec = image_codec(dimensions, shape, levels)
        self.conditions = Conditions.checked(self.codec)
        given = CONFIGURATION.check(self.codec, dimensions=dimensions, hidden_size=hidden_size, layers=layers)
        self.dimensions, self.hidden_size = size, hidden = given["dimensions"], given["hidden_size"]
        depth = given["layers"]
        generator = torch.Generator().manual_seed(seed_number(seed))

        def parameter(*shape: int, inputs: int) -> nn.Parameter:
            return nn.Parameter((2 / inputs) ** 0.5 * torch.randn(shape, generator=generator))

        others = self.codec.levels - 1
        self.mask = parameter(size, hidden, inputs=2 * size)
        self.input = parameter(size, others, hidden, inputs=2 * size)
        self.input_bias = nn.Parameter(torch.zeros(hidden))
        self.deeper = nn.ParameterList(parameter(hidden, hidden, inputs=hidden) for _ in range(depth - 1))
        self.deeper_bias = nn.ParameterList(torch.zeros(hidden) for _ in range(depth - 1))
        self.output = parameter(size, others, hidden, inputs=2 * hidden)
        self.output_bias = nn.Parameter(torch.zeros(size, others))

    # ---- computing ------------------------------------------------------------------------------------

    def top(self, sums: Tensor) -> Tensor:
        """Return the last hidden layer (..., F), given the sums of the first."""
        hidden = relu(sums)
        for weight, bias in zip(self.deeper, self.deeper_bias, strict=True):
            hidden = relu(linear(hidden, weight, bias))
        return hidden

    def columns(self, dimensions: Tensor, levels: Tensor) -> Tensor:
        """Return the contribution (..., F) of known dimensions with these levels to the sums of the first layer."""
        values = pad(self.input, (0, 0, 1, 0))
        return self.mask[dimensions] + values[dimensions, levels]

    def given(self, x: Tensor, known: Tensor) -> Tensor:
        """Return the logits (B, D, L) of all dimensions given the known ones.

        Args:
            x: (B, D) levels. known: (B, D) bool.
        """
        mask = known.to(self.mask.dtype)
        values = torch.nn.functional.one_hot(x, self.codec.levels)[:, :, 1:].to(mask) * mask[:, :, None]
        sums = mask @ self.mask + values.flatten(1) @ self.input.flatten(0, 1) + self.input_bias
        logits = linear(self.top(sums), self.output.flatten(0, 1), self.output_bias.flatten())
        return pad(logits.unflatten(1, (self.dimensions, -1)), (1, 0))

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor] | None = None,
        *, dropout_generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return the logits (B, C, L, H, W) of every pixel given those before it in the order of its image.

        Args:
            x: (B, C, H, W) levels.
            condition: "order" (B, D) or (1, D); None is raster order.
            dropout_generator: ignored; there is no dropout.
        """
        vectors = to_vectors(x)
        raster = torch.arange(self.dimensions, device=x.device)[None]
        order = raster if condition is None else condition["order"]
        order = order.expand(len(x), -1)
        ordered = vectors.gather(1, order)
        sums = self.input_bias.expand(len(x), -1)
        parts = []
        for first in range(0, self.dimensions, BLOCK):
            some = order[:, first : first + BLOCK]
            steps = self.columns(some, ordered[:, first : first + BLOCK])
            hidden = self.top(earlier(some.shape[1], steps) @ steps + sums[:, None])[:, :, None]
            parts.append((hidden * self.output[some]).sum(-1) + self.output_bias[some])
            sums = sums + steps.sum(1)
        logits = torch.cat(parts, 1)
        in_place = torch.zeros_like(logits).scatter(1, order[:, :, None].expand_as(logits), logits)
        return to_images(pad(in_place, (1, 0)), self.codec.shape)

    def log_prob(self, x: Any, *, condition: Any = None, grad: bool = False) -> Tensor:
        """Return the exact log-probability of each image under an order in nats, (B,) float64.

        Args:
            x: one image (C, H, W) or images (B, C, H, W) of integers from 0 to levels - 1.
            condition: one order for all, or a list or array (B, D) with one per image; None is raster order.
            grad: whether the result is differentiable with respect to the parameters.
        """
        images = self.codec.images(x)
        device = self.mask.device
        orders = torch.as_tensor(checked_orders(condition, len(images), self.dimensions), device=device)
        orders = orders.expand(len(images), -1)
        step = max(1, _MOST_UNITS // (BLOCK * self.hidden_size * self.codec.levels))
        parts = []
        with torch.set_grad_enabled(grad):
            for first in range(0, len(images), step):
                block = torch.as_tensor(images[first : first + step].astype(np.int64), device=device)
                log_probs = self.pixel_log_probs(block, {"order": orders[first : first + step]})
                parts.append(log_probs.double().flatten(1).sum(1))
        return torch.cat(parts)

    def ensemble_log_prob(self, x: Any, orders: Sequence[Any]) -> Tensor:
        """Return the log-probability (B,) under the uniform mixture of the densities of several orders.

        Args:
            x: as in `log_prob`. orders: a non-empty list of orders; None is raster order.
        """
        if not isinstance(orders, (list, tuple, np.ndarray)):
            raise TypeError(f"orders must be a list of orders, got {orders!r}")
        if not len(orders):
            raise ValueError("orders must hold at least one order, got none")
        scores = torch.stack([self.log_prob(x, condition=order) for order in orders])
        return torch.logsumexp(scores, 0) - math.log(len(orders))

    def training_loss(
        self, levels: np.ndarray, *, condition: Any = None, dropout_generator: torch.Generator | None = None
    ) -> Tensor:
        """Return an unbiased estimate of the mean nats per dimension over all orders; differentiable.

        For each image a random subset of d - 1 known dimensions is drawn, d uniform from 1 to D; the mean over the
        other dimensions, each of which may be next, estimates the d-th factor (equations 8 and 9 of the paper).

        Args:
            levels: (B, C, H, W). condition: must be None, because all orders are trained.
            dropout_generator: source of random numbers for the subsets; None uses the same subsets in every call.
        """
        if condition is not None:
            raise ValueError(f"condition must be None, the loss is over all orders, got {condition!r}")
        noise = dropout_generator if dropout_generator is not None else torch.Generator().manual_seed(0)
        device, size = self.mask.device, self.dimensions
        x = to_vectors(torch.as_tensor(levels.astype(np.int64), device=device))
        count = torch.randint(size, (len(x), 1), generator=noise)
        rank = torch.rand(x.shape, generator=noise).argsort(1).argsort(1)
        known = (rank < count).to(device)
        log_probs = torch.log_softmax(self.given(x, known).float(), 2).gather(2, x[:, :, None])[:, :, 0]
        share = ~known / (size - count.to(device))
        return -(log_probs * share).sum(1).mean()

    # ---- the generator interface ----------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON values."""
        return {
            "codec": self.codec.config(), "dimensions": self.dimensions, "hidden_size": self.hidden_size,
            "layers": len(self.deeper) + 1,
        }  # fmt: skip
