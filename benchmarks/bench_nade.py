"""NADE 784×500, binarized digits: whole images from the fused sampler, compared with PyTorch loops.

The library's way is `NADE.sample` of pytorch-generative if that package can be imported, else the same loop,
implemented here: it creates a distribution for every pixel. The lean loop computes the same sums in place and compares
uniforms with the probabilities. For one image, a third loop adds a row only where a pixel is 1, as our engine does.
The likelihood of our samples under the peer's network shows that both compute the same model. The weights are trained
for a few steps on synthetic strokes, so that the share of ones, on which our speed depends, is that of digits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.limits import limits
from benchmarks.side_by_side import limited_threads, side_by_side
from benchmarks.ways import fastest_way
from seqgen.models.nade.model import NADE
from seqgen.threads import usable_threads

PRECISIONS = ("float32", "bfloat16")
CORES = usable_threads()
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


def check_same_model(model: NADE, naive: NaiveNADE) -> float:
    """Check that the naive network gives our samples the same log-probabilities; return their share of ones."""
    with model.stream(4, batch=4, chunk=SIDE, log_probs=True, engine="numba") as stream:
        chunks = [samples[0] for samples in stream.collect().values()]
    images = torch.as_tensor(np.stack([chunk.data.reshape(SIZE) for chunk in chunks])).float()
    with torch.no_grad():
        probabilities = naive.run(images)[0].double()
    theirs = torch.where(images > 0, probabilities, 1 - probabilities).log().sum(1).numpy()
    ours = [chunk.extra["log_prob"].sum() for chunk in chunks]
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    return float(model.sample(64, chunk=SIDE, engine="numba", seed=1).mean())


PEERS = (
    ("library", 1, 1000.0), ("lean", 1, 110.0), ("branching", 1, None), ("library", 16, 60.0), ("lean", 16, None),
)  # fmt: skip


def peer_of(kind: str, model: NADE, naive: NaiveNADE, batch: int) -> tuple[str, Callable[[], Any]]:
    """Return a peer's name and its function that draws a batch, checked."""
    if kind == "library":
        sample = library_peer(model)
        name = "pytorch-generative NADE.sample" if sample else "the same loop in PyTorch"
        draw = sample or naive.sample
        return name, lambda: draw(batch)
    loop: LeanNADE | BranchingNADE
    if kind == "lean":
        name, loop = "lean PyTorch loop", LeanNADE(naive, batch)
    else:
        name, loop = "PyTorch loop that skips zeros", BranchingNADE(naive)
    with torch.no_grad():
        check_same_distribution(naive, loop.sample, 64)
    return name, loop.sample


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("kind", "batch", "target"), PEERS)
def bench_nade_784x500(benchmark: Any, kind: str, batch: int, target: float | None, precision: str) -> None:
    model = trained(precision)
    threads = min(batch, CORES)
    naive = NaiveNADE(model)
    name, draw = peer_of(kind, model, naive, batch)
    repeats = 1 if kind == "library" else 8

    def peer() -> int:
        with torch.inference_mode():
            for _ in range(repeats):
                draw()
        return repeats * batch

    with limited_threads(threads):
        ones = check_same_model(model, naive)
        stream = model.stream(batch=batch, chunk=SIDE, engine="numba", threads=threads, seed=3)
        way = fastest_way({name: peer}, [1, CORES])

        def ours() -> int:
            for _ in range(2048):
                next(stream)
            return 2048

        made = side_by_side(
            benchmark, family="nade", work=f"NADE 784×500, {batch} image{'s' * (batch > 1)}, {precision} weights",
            unit="images", ours=ours, peer=peer, peer_name=name, target=target, batch=batch, threads=threads,
            peer_threads=way.threads, precision=precision,
            note=f"weights trained for a few steps on strokes; {100 * ones:.0f} % of the pixels drawn are 1; "
            f"{way.note}",
        )  # fmt: skip
        stream.close()
        size = 2 * SIZE * HIDDEN * (2 if precision == "bfloat16" else 4)
        bound = limits(size, threads)
    # an inner product per pixel, and a row of additions per 1
    macs = SIZE * HIDDEN * (1 + ones)
    gmacs, gbytes = made.rate * macs / 1e9, made.rate * size / 2 * (1 + ones) / 1e9
    pixels = made.rate * SIZE
    benchmark.extra_info.update(
        limit=f"{pixels / 1e6:.1f} M pixels/s; {bound.words(gmacs, gbytes)}",
        pixels=pixels, gmacs=gmacs, peak_gmacs=bound.gmacs, peak_gbytes=bound.gbytes,
    )  # fmt: skip
