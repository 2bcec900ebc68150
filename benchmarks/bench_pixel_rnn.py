"""PixelRNN: the cached sampler compared with one full forward pass per pixel, the usual sampler of PixelRNNs.

Both sides have the same weights. That they compute the same model is checked pixel by pixel: the peer's network gives
every pixel that we drew our log-probability. The weights are random; the speed does not depend on them. The peer draws
only the first pixels of its images, because its passes take the same time at every pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.limits import limits
from benchmarks.side_by_side import limited_threads, side_by_side
from benchmarks.ways import compiling, fastest_way
from seqgen.models.pixel_rnn.model import PixelRNN
from seqgen.threads import usable_threads

PIXELS = 28 * 28
CORES = usable_threads()


def model_of(kind: str) -> PixelRNN:
    """Return a model of two layers of 32 units for binary images of 28×28, with weights that are exact in bfloat16."""
    model = PixelRNN(channels=32, layers=2, kind=kind, seed=1).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_((1.5 * parameter).bfloat16().float())
    return model


class FullPasses:
    """Draws in the usual way: all pixels through the network, softmax, multinomial, write the pixel."""

    def __init__(self, model: PixelRNN, batch: int, count: int, *, compiled: bool = False) -> None:
        self.model, self.batch, self.count = model, batch, count
        self.network = torch.compile(model, dynamic=False) if compiled else model

    def __call__(self) -> int:
        """Draw the first `count` pixels of `batch` images; return the total number of pixels."""
        images = torch.zeros(self.batch, 1, 28, 28, dtype=torch.int64)
        with torch.inference_mode():
            for pixel in range(self.count):
                row, column = divmod(pixel, 28)
                logits = self.network(images)[:, 0, :, row, column]
                images[:, 0, row, column] = torch.multinomial(torch.softmax(logits, -1), 1)[:, 0]
        return self.batch * self.count


def check_same_model(model: PixelRNN) -> None:
    """Check that a full pass gives the same log-probability to every pixel that our engine draws."""
    with model.stream(3, batch=3, chunk=28, log_probs=True, engine="numba") as stream:
        chunks = list(stream)
    images = torch.as_tensor(np.stack([chunk.data for chunk in chunks]).astype(np.int64))
    ours = np.stack([chunk.extra["log_prob"] for chunk in chunks]).transpose(0, 2, 1, 3)
    with torch.inference_mode():
        theirs = model.pixel_log_probs(images).numpy()
    np.testing.assert_allclose(ours, theirs, atol=2e-4, rtol=0)
    assert 0.05 < float(images.double().mean()) < 0.95, "the check is weak if nearly all pixels are equal"


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("kind", ["row", "diagonal"])
def bench_pixel_rnn(benchmark: Any, kind: str, batch: int) -> None:
    """Sample binary images of 28×28, one at a time or 16 together."""
    model = model_of(kind)
    threads = min(batch, CORES)
    count = 16 if batch == 1 else 4
    # every weight is used once per pixel
    macs = sum(value.numel() for name, value in model.named_parameters() if "weight" in name)
    with limited_threads(threads):
        check_same_model(model)
        stream = model.stream(batch=batch, chunk=28, engine="numba", threads=threads, seed=3)

        def ours() -> int:
            for _ in range(64):
                next(stream)
            return 64 * PIXELS

        way = fastest_way(
            {"eager": FullPasses(model, batch, count)}, [1, CORES],
            {"compiled": lambda: FullPasses(model, batch, count, compiled=True)} if compiling() else None,
        )  # fmt: skip
        made = side_by_side(
            benchmark, family="pixel-rnn",
            work=f"{kind} LSTM 2×32, 28×28 binary, {batch} image{'s' * (batch > 1)}, bfloat16 weights",
            unit="pixels", ours=ours, peer=way.work, peer_name=f"full pass a pixel, {way.name}",
            peer_threads=way.threads, batch=batch, threads=threads,
        )  # fmt: skip
        stream.close()
        bound = limits(2 * macs, threads)
    assert made.peer_rate is not None
    gmacs = made.rate * macs / 1e9
    benchmark.extra_info.update(
        limit=bound.words(gmacs),
        note=f"{made.rate / PIXELS:.0f} images/s against {made.peer_rate / PIXELS:.2g}; "
        f"the peer measured on {count} of 784 pixels; {way.note}",
        gmacs=gmacs,
        peak_gmacs=bound.gmacs,
    )
