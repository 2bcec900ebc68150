"""The model of the NADE benchmark, trained on synthetic strokes, and its peers: a library and loops in PyTorch.

The weights are trained for a few steps, so that the share of ones, on which our speed depends, is that of digits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqgen.models.nade.model import NADE

SIDE, SIZE, HIDDEN = 28, 784, 500


def strokes(count: int, seed: int) -> np.ndarray:
    """Return images (count, 1, 28, 28) of three thick strokes each: about 13 % ones, like binarized digits."""
    noise = np.random.default_rng(seed)
    ends = noise.uniform(6, 22, (count, 4, 2))
    along = np.linspace(0.0, 1.0, 24)[:, None]
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    for image, points in zip(images, ends, strict=True):
        path = np.concatenate([(1 - along) * a + along * b for a, b in pairwise(points)])
        distance = (rows[..., None] - path[:, 0]) ** 2 + (columns[..., None] - path[:, 1]) ** 2
        image[...] = distance.min(-1) < 4.8
    return images[:, None]


@cache
def trained(precision: str) -> NADE:
    """Return the network after some steps on strokes, its weights exact in `precision`."""
    model = NADE(SIZE, HIDDEN, seed=1)
    share = strokes(200, 0).reshape(200, SIZE).mean(0).clip(0.002, 0.998)
    model.output_bias.data[:, 0] = torch.as_tensor(np.log(share / (1 - share)))
    model.output.data *= 0.2
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(80):
        optimizer.zero_grad()
        model.training_loss(strokes(32, step + 1)).backward()
        optimizer.step()
    if precision == "bfloat16":
        for parameter in model.parameters():
            parameter.data = parameter.data.bfloat16().float()
    return model.eval()


class NaiveNADE:
    """The loop of `pytorch_generative.models.NADE`: running activations, one dimension of all images at a time."""

    def __init__(self, model: NADE) -> None:
        self.input, self.input_bias = model.input[:, 0].detach().T.clone(), model.input_bias.detach()
        self.output, self.output_bias = model.output[:, 0].detach(), model.output_bias[:, 0].detach()

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities (B, D) and samples (B, D); non-negative numbers of x are kept."""
        probabilities, drawn = [], []
        sums = self.input_bias.expand(len(x), -1)
        for i in range(SIZE):
            p = torch.sigmoid(torch.sigmoid(sums) @ self.output[i : i + 1].t() + self.output_bias[i : i + 1])
            given = x[:, i : i + 1]
            value = torch.where(given < 0, torch.distributions.Bernoulli(probs=p).sample(), given)
            probabilities.append(p)
            drawn.append(value)
            sums = sums + value @ self.input[:, i : i + 1].t()
        return torch.cat(probabilities, 1), torch.cat(drawn, 1)

    def sample(self, count: int) -> Tensor:
        """Draw images (count, 784)."""
        return self.run(torch.full((count, SIZE), -1.0))[1]


class LeanNADE:
    """The same sums in place, with uniforms drawn before the loop.

    Args:
        naive: holds the weights. batch: number of images.
    """

    def __init__(self, naive: NaiveNADE, batch: int) -> None:
        self.rows, self.outputs = list(naive.input.T.contiguous()), list(naive.output.contiguous())
        self.input_bias, self.biases = naive.input_bias, list(naive.output_bias)
        self.sums, self.hidden = torch.empty(batch, HIDDEN), torch.empty(batch, HIDDEN)
        self.probabilities, self.drawn = torch.empty(SIZE, batch), torch.empty(SIZE, batch)
        self.uniforms = torch.empty(SIZE, batch)

    @torch.inference_mode()
    def sample(self) -> Tensor:
        """Draw images (784, B), in a buffer that is used again."""
        torch.rand(self.uniforms.shape, out=self.uniforms)
        sums, hidden = self.sums.copy_(self.input_bias.expand_as(self.sums)), self.hidden
        places = zip(
            self.rows, self.outputs, self.biases, self.uniforms, self.probabilities, self.drawn, strict=True
        )
        for row, output, bias, uniform, p, pixel in places:
            torch.sigmoid(sums, out=hidden)
            torch.addmv(bias, hidden, output, out=p).sigmoid_()
            torch.lt(uniform, p, out=pixel)
            sums.addr_(pixel, row)
        return self.drawn


class BranchingNADE:
    """The same for one image, with sums and hidden units computed again only where a pixel is 1."""

    def __init__(self, naive: NaiveNADE) -> None:
        self.rows, self.outputs = list(naive.input.T.contiguous()), list(naive.output.contiguous())
        self.input_bias, self.bias = naive.input_bias, naive.output_bias

    @torch.inference_mode()
    def sample(self) -> Tensor:
        """Draw an image (784, 1)."""
        thresholds = (torch.logit(torch.rand(SIZE)) - self.bias).tolist()
        sums = self.input_bias.clone()
        hidden = torch.sigmoid(sums)
        drawn = [False] * SIZE
        for i, (row, output, threshold) in enumerate(zip(self.rows, self.outputs, thresholds, strict=True)):
            if float(torch.dot(hidden, output)) > threshold:
                drawn[i] = True
                torch.sigmoid(sums.add_(row), out=hidden)
        return torch.tensor(drawn)[:, None]


def check_same_distribution(naive: NaiveNADE, sample: Callable[[], Tensor], images: int) -> None:
    """Check the likelihood of a loop's images under the naive network, and that of our own network's samples."""
    torch.manual_seed(0)
    scores: list[float] = []
    while len(scores) < images:
        given = sample().T.float().clone()
        p = naive.run(given)[0].double()
        scores += torch.where(given > 0, p, 1 - p).log().sum(1).tolist()
    own = naive.sample(images)
    p = naive.run(own)[0].double()
    expected = torch.where(own > 0, p, 1 - p).log().sum(1)
    found = torch.tensor(scores)
    error = (found.var() / len(found) + expected.var() / images).sqrt()
    assert abs(found.mean() - expected.mean()) < 6 * error, "the loop draws from another distribution"


def library_peer(model: NADE) -> Callable[[int], Any] | None:
    """Return `sample` of pytorch-generative's NADE, or None if the package is not installed.

    Its hidden units are rectified instead of sigmoid, which is cheaper; it gets the same weights.
    """
    try:
        from pytorch_generative.models import NADE as LibraryNADE
    except ImportError:
        return None
    peer = LibraryNADE(input_dim=SIZE, hidden_dim=HIDDEN)
    naive = NaiveNADE(model)
    with torch.no_grad():
        peer._in_W.copy_(naive.input)
        peer._in_b.copy_(naive.input_bias)
        peer._h_W.copy_(naive.output)
        peer._h_b.copy_(naive.output_bias)

    def sample(count: int) -> Any:
        return peer.sample(conditioned_on=torch.full((count, 1, SIDE, SIDE), -1.0))

    return sample
