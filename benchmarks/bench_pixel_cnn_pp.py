"""PixelCNN++: the fused sampler compared with the usual loop, a full forward pass per pixel.

The peer is our own module with the authors' method of drawing (a component, then a logistic for each colour), timed on
a part of the pixels: every pass costs the same. That the engine draws from the module's distribution is checked on
whole images. The weights are random; the speed does not depend on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.limits import limits
from benchmarks.side_by_side import limited_threads, side_by_side
from benchmarks.ways import compiling, fastest_way
from seqgen.models.pixel_cnn_pp.logistics import LogisticMixture
from seqgen.models.pixel_cnn_pp.model import PixelCNNpp
from seqgen.models.pixel_cnn_pp.numba_packing import PixelCNNppPacker
from seqgen.threads import usable_threads

CORES = usable_threads()
SHAPES = {"RGB": (3, 32, 32), "grey": (1, 28, 28)}


def model_of(shape: tuple[int, int, int], channels: int) -> PixelCNNpp:
    """Return a model with 256 levels and 2 blocks at each of 3 scales, its weights exact in bfloat16."""
    model = PixelCNNpp(shape, 256, channels, seed=1).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16().float())
    return model


class FullPasses:
    """Draws the first `count` pixels of `batch` images, each with a forward pass over the whole images."""

    def __init__(self, model: PixelCNNpp, batch: int, count: int, *, compiled: bool = False) -> None:
        self.model, self.batch, self.count = model, batch, count
        self.network = torch.compile(model.network, dynamic=False) if compiled else model.network

    def __call__(self) -> int:
        """Draw; return the total number of pixels."""
        shape = self.model.codec.shape
        images = torch.zeros((self.batch, *shape), dtype=torch.int64)
        with torch.inference_mode():
            for pixel in range(self.count):
                row, column = divmod(pixel, shape[2])
                raw = self.network(images)[:, :, row : row + 1, column : column + 1]
                images[:, :, row, column] = draw_pixel(self.model.mixture(raw))
        return self.batch * self.count


def draw_pixel(mixture: LogisticMixture) -> Tensor:
    """Draw levels (B, C) of one pixel: a component, then a logistic variable for each colour, rounded."""
    component = torch.distributions.Categorical(logits=mixture.log_weights[..., 0, 0]).sample()[:, None, None]

    def chosen(parts: Tensor) -> Tensor:
        return parts[..., 0, 0].gather(2, component.expand(-1, parts.shape[1], 1))[..., 0]

    means, log_scales, coefficients = map(chosen, (mixture.means, mixture.log_scales, mixture.coefficients))
    values: list[Tensor] = []
    for colour in range(mixture.colours):
        mean = means[:, colour]
        for earlier, value in enumerate(values):
            mean = mean + coefficients[:, colour * (colour - 1) // 2 + earlier] * value
        uniform = torch.empty_like(mean).uniform_(1e-5, 1 - 1e-5)
        drawn = mean + log_scales[:, colour].exp() * torch.logit(uniform)
        values.append(drawn.clamp(-1, 1))
    scale = (mixture.levels - 1) / 2
    return torch.stack([((value + 1) * scale).round().long() for value in values], 1)


def check_same_model(model: PixelCNNpp) -> None:
    """Check that a full pass gives the same log-probability to every sub-pixel that our engine draws."""
    rows = model.codec.shape[1]
    with model.stream(2, batch=2, chunk=rows, log_probs=True, engine="numba") as stream:
        chunks = list(stream)
    images = torch.as_tensor(np.stack([chunk.data for chunk in chunks]).astype(np.int64))
    ours = np.stack([chunk.extra["log_prob"] for chunk in chunks]).transpose(0, 2, 1, 3)
    with torch.inference_mode():
        theirs = model.pixel_log_probs(images).numpy()
    np.testing.assert_allclose(ours, theirs, atol=5e-3, rtol=0)
    assert len(np.unique(images)) > 100, "the check is weak if few levels occur"


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("kind", [pytest.param("RGB", marks=pytest.mark.slow), "grey"])
@pytest.mark.parametrize("channels", [32, pytest.param(64, marks=pytest.mark.slow)])
def bench_pixel_cnn_pp(benchmark: Any, channels: int, kind: str, batch: int) -> None:
    """Sample whole images of 256 levels, one at a time or 16 together."""
    shape = SHAPES[kind]
    colours, rows, columns = shape
    model = model_of(shape, channels)
    threads = min(batch, CORES)
    count = 8 if batch == 1 else 2
    weights = model.weights()
    packer = PixelCNNppPacker(weights.arrays, weights.config, 0, "auto")
    macs = packer.macs / (rows * columns)  # per pixel
    with limited_threads(threads):
        check_same_model(model)
        stream = model.stream(batch=batch, chunk=rows, engine="numba", threads=threads, seed=3)
        images = 4 if batch == 1 else batch

        def ours() -> int:
            return sum(next(stream).data.size // colours for _ in range(images))

        way = fastest_way(
            {"eager": FullPasses(model, batch, 1)}, [1, CORES],
            {"compiled": lambda: FullPasses(model, batch, 1, compiled=True)} if compiling() else None,
        )  # fmt: skip
        assert isinstance(way.work, FullPasses)
        way.work.count = count
        made = side_by_side(
            benchmark, family="pixel-cnn-pp",
            work=f"PixelCNN++ 2 blocks × 3 scales of {channels}, {kind} {rows}×{columns}, {batch} "
            f"image{'s' * (batch > 1)}, bfloat16 weights",
            unit="pixels", ours=ours, peer=way.work, peer_name=f"a full pass for every pixel, {way.name}",
            peer_threads=way.threads, batch=batch,
            threads=threads, rounds=3,
        )  # fmt: skip
        stream.close()
        bound = limits(packer.packed.matrices.nbytes, threads)
    assert made.peer_rate is not None
    gmacs, pixels = made.rate * macs / 1e9, rows * columns
    benchmark.extra_info.update(
        limit=bound.words(gmacs),
        note=f"{made.rate / pixels:.3g} images/s against {made.peer_rate / pixels:.2g}; the peer timed on {count} of "
        f"{pixels} passes; {way.note}",
        gmacs=gmacs, peak_gmacs=bound.gmacs,
    )  # fmt: skip
