"""Gated PixelCNN, 7 layers of 64 channels, 28 × 28 binary pixels: the fused sampler against a full pass per pixel.

The peer is pytorch-generative's GatedPixelCNN.sample if it can be imported (put its checkout on PYTHONPATH): 784 full
forward passes for any number of images. Otherwise the peer is the same loop on our own module. A pass costs the same
at every pixel, so a round of the peer consists of some of the 784 passes, counted as that many pixels. The weights are
random; the speed does not depend on them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import seqgen
from benchmarks.limits import limits
from benchmarks.machine import overridden
from benchmarks.side_by_side import fill, limited_threads, side_by_side
from benchmarks.ways import fastest_way
from seqgen import rng
from seqgen.engine import Request, Start
from seqgen.models.pixel_cnn.model import PixelCNN
from seqgen.models.pixel_cnn.numba_engine import PixelCNNEngine
from seqgen.threads import usable_threads

SIDE, CHANNELS, LAYERS = 28, 64, 7
PIXELS = SIDE * SIDE
PRECISIONS = (pytest.param("float32", marks=pytest.mark.slow), "bfloat16")
CORES = usable_threads()
# on AVX-512 those of the report of 22 November 2026
TARGETS = 500.0, 600.0
NAME = f"gated PixelCNN {LAYERS}×{CHANNELS}, {SIDE}×{SIDE} binary"


def model_of(precision: str, side: int = SIDE) -> PixelCNN:
    """Return a model with random weights that are exact in `precision`."""
    model = PixelCNN((1, side, side), levels=2, channels=CHANNELS, layers=LAYERS, seed=1).eval()
    if precision == "bfloat16":
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(parameter.bfloat16().float())
    return model


def macs_of(model: PixelCNN) -> int:
    """Return the multiply-accumulates of one pixel: every weight once, for a binary image of one colour."""
    return sum(value.numel() for name, value in model.named_parameters() if "weight" in name)


class PeerSampler:
    """`count` passes of the usual sampling loop; a pass yields one pixel of every image."""

    def __init__(self, logit: Callable[[Tensor], Tensor], batch: int, count: int) -> None:
        self.logit, self.count = logit, count
        self.images, self.place = torch.full((batch, 1, SIDE, SIDE), -1.0), 0

    def __call__(self) -> int:
        with torch.inference_mode():
            for _ in range(self.count):
                row, column = divmod(self.place % PIXELS, SIDE)
                p = torch.sigmoid(self.logit(self.images)[:, 0, row, column])
                self.images[:, 0, row, column] = torch.bernoulli(p)
                self.place += 1
        return self.count * len(self.images)


def library_peer() -> Callable[[Tensor], Tensor] | None:
    """Return pytorch-generative's network of the same size, or None; its `sample` is the loop of `PeerSampler`."""
    try:
        module = importlib.import_module("pytorch_generative.models.autoregressive.gated_pixel_cnn")
    except ImportError:
        return None
    network = module.GatedPixelCNN(
        in_channels=1, out_channels=1, n_gated=LAYERS - 1, gated_channels=CHANNELS, head_channels=CHANNELS
    ).eval()
    logits: Callable[[Tensor], Tensor] = network.forward
    return logits


def own_peer(model: PixelCNN) -> Callable[[Tensor], Tensor]:
    """Return a function for the log-odds of our own module by a full pass."""

    def logit(images: Tensor) -> Tensor:
        logits: Tensor = model(images.clamp(min=0))
        return logits[:, :, 1] - logits[:, :, 0]

    return logit


def check_same_images(model: PixelCNN, rows: int = 2) -> None:
    """Check that our sampler draws the same pixels as a full pass per pixel with the same random numbers."""
    with model.stream(2, rows, batch=2, seed=3, engine="numba") as stream:
        drawn = stream.collect()
    images = torch.zeros((2, 1, SIDE, SIDE), dtype=torch.int64)
    with torch.inference_mode():
        for place in range(rows * SIDE):
            row, column = divmod(place, SIDE)
            probabilities = torch.softmax(model(images)[:, 0, :, row, column].double(), 1).numpy()
            uniforms = rng.uniforms(3, np.arange(2), place, rng.Purpose.TOKEN)
            images[:, 0, row, column] = torch.as_tensor(rng.categorical(probabilities, uniforms))
    ours = np.stack([np.concatenate([chunk.data for chunk in chunks], 1) for chunks in drawn.values()])
    np.testing.assert_array_equal(ours, images[:, :, :rows].numpy())
    assert 0 < ours.mean() < 1, "the check is weak if all pixels are equal"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("batch", "target"), [(1, TARGETS[0]), (16, TARGETS[1])])
def bench_gated_pixel_cnn(benchmark: Any, batch: int, target: float, precision: str) -> None:
    """Sample whole images, compared with the peer."""
    model = model_of(precision)
    threads = min(batch, CORES)
    library = library_peer()
    logit = library or own_peer(model)
    name = "pytorch-generative GatedPixelCNN.sample" if library else "a full pass for every pixel"
    with limited_threads(threads):
        check_same_images(model)
        stream = model.stream(batch=batch, engine="numba", threads=threads, seed=3)

        def ours() -> int:
            return sum(chunk.data.size for chunk in (next(stream) for _ in range(2 * batch * SIDE)))

        passes = 12 if batch == 1 else 2
        tried = 3 if batch == 1 else 1
        way = fastest_way(
            {"eager": PeerSampler(logit, batch, tried)}, [1, CORES],
            # torch.compile makes code for this CPU, whichever one is emulated
            {"compiled": lambda: PeerSampler(torch.compile(logit, dynamic=False), batch, tried)}
            if not overridden()
            else None,
        )  # fmt: skip
        assert isinstance(way.work, PeerSampler)
        way.work.count = passes
        made = side_by_side(
            benchmark, family="pixel-cnn", work=f"{NAME}, {batch} image{'s' * (batch > 1)}, {precision} weights",
            unit="pixels", ours=ours, peer=way.work,
            peer_name=f"{name}, {way.name}",
            peer_threads=way.threads, target=target, batch=batch, threads=threads,
            rounds=3, precision=precision,
        )  # fmt: skip
        stream.close()
        size = macs_of(model) * (2 if precision == "bfloat16" else 4)
        bound = limits(size, threads)
    gmacs = made.rate * macs_of(model) / 1e9
    # the vertical products are shared by a row of pixels; those of the horizontal stack read their weights for every
    # pixel
    read = made.rate * _horizontal_bytes(model, precision) / 1e9
    limit = bound.words(gmacs, read if batch == 1 else None)
    assert made.peer_rate is not None
    benchmark.extra_info.update(
        limit=limit, gmacs=gmacs, peak_gmacs=bound.gmacs, peak_gbytes=bound.gbytes,
        note=f"{made.rate / PIXELS:.1f} images/s against {made.peer_rate / PIXELS:.2f}; the peer timed on {passes} "
        f"of {PIXELS} passes; {way.note}",
    )  # fmt: skip


def _horizontal_bytes(model: PixelCNN, precision: str) -> int:
    """Return the bytes of the weights read for every pixel: all but the vertical stack and the link."""
    names = ("horizontal.weight", "mix.weight", "hidden.weight", "output.weight")
    count = sum(value.numel() for name, value in model.named_parameters() if name.endswith(names))
    return count * (2 if precision == "bfloat16" else 4)


@pytest.mark.parametrize("engine", ["torch", "fixed-point"])
def bench_engines(benchmark: Any, engine: str) -> None:
    """Compare the fused engine with the incremental reference and with fixed-point iteration.

    The number of sweeps of fixed-point iteration depends on the weights, so the built-in model is used.
    """
    model = seqgen.load("digits-pixelcnn")
    assert isinstance(model, PixelCNN)
    stream = model.stream(engine="numba", threads=1, seed=3)
    other = model.stream(engine=engine, threads=1, seed=3)
    rows = 4 if engine == "torch" else SIDE

    def ours() -> int:
        return sum(next(stream).data.size for _ in range(2 * SIDE))

    def theirs() -> int:
        return sum(next(other).data.size for _ in range(rows))

    made = side_by_side(
        benchmark, family="pixel-cnn", work=f"built-in digits-pixelcnn, 1 image, beside the engine {engine}",
        unit="pixels", ours=ours, peer=theirs, peer_name=f"our {engine} engine", rounds=3,
        precision=model.weights().precision,
    )  # fmt: skip
    note = f"{made.rate / PIXELS:.1f} images/s against {(made.peer_rate or 0) / PIXELS:.2f}"
    if engine == "fixed-point":
        sweeps = _sweeps(model)
        note += f"; {sweeps.mean():.0f} sweeps per image, {sweeps.min()} to {sweeps.max()}, in place of {PIXELS} steps"
    benchmark.extra_info["note"] = note
    stream.close()
    other.close()


def _sweeps(model: PixelCNN, images: int = 4) -> np.ndarray:
    """Return the number of passes of fixed-point iteration for some images."""
    from seqgen.image.fixed_point import FixedPointEngine

    engine = FixedPointEngine(model.weights(), Request(seed=3, lanes=images), model=model)
    engine.begin(np.arange(images), np.arange(images), Start())
    engine.advance(np.ones(images, np.int64))
    return engine.sweeps


@pytest.mark.parametrize("side", [SIDE, 64])
def bench_memory(benchmark: Any, side: int) -> None:
    """Compare the bytes of all caches and scratch of one sampler with the feature maps of both stacks in all layers."""
    engine = PixelCNNEngine(model_of("float32", side).weights(), Request(seed=3))
    engine.begin(np.arange(1), np.arange(1), Start())
    benchmark.pedantic(engine.advance, (np.ones(1, np.int64),), rounds=1)
    maps = 2 * LAYERS * CHANNELS * side * side * 4
    fill(
        benchmark, family="pixel-cnn", work=f"memory of a sampler, {LAYERS}×{CHANNELS}, {side}×{side}", unit="bytes",
        rate=engine.nbytes, peer="both stacks' features of every layer and pixel", peer_rate=maps,
        ratio=maps / engine.nbytes, target="≥ 10×", met=engine.nbytes * 10 <= maps, kind="amount", engine="numba",
        batch=1, note=f"of which {engine.cache.rows.nbytes} bytes are kept between rows",
    )  # fmt: skip
    engine.close()
