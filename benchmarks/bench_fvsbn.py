"""FVSBN 784, binarized digits: whole images from the fused sampler, compared with loops in PyTorch.

The naive loop computes a probability at a time, the lean one adds a column of weights to the sums of all later pixels
where a pixel is 1, as our engine does; of several images, it is the product of what is drawn with a row in place.

The weights are trained for a few steps on synthetic strokes, so that the share of ones, on which our speed depends, is
that of digits.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.limits import limits
from benchmarks.nade_peers import SIDE, SIZE, strokes
from benchmarks.side_by_side import limited_threads, side_by_side
from benchmarks.ways import fastest_way
from seqgen.models.fvsbn.model import FVSBN
from seqgen.threads import usable_threads

CORES = usable_threads()


@cache
def trained() -> FVSBN:
    """Return the network after some steps on strokes, its weights exact in bfloat16."""
    model = FVSBN(SIZE, seed=1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(80):
        optimizer.zero_grad()
        model.training_loss(strokes(32, step + 1)).backward()
        optimizer.step()
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return model.eval()


class NaiveFVSBN:
    """A loop over the pixels with a list of rows of weights."""

    def __init__(self, model: FVSBN) -> None:
        matrix = model.matrix().detach()
        self.rows = [matrix[i, :i].clone() for i in range(SIZE)]
        self.bias = model.bias.detach()

    def run(self, x: Tensor | None, count: int) -> tuple[Tensor, Tensor]:
        """Return probabilities (B, D) and samples (B, D), or those of given images."""
        drawn = torch.zeros(count, SIZE) if x is None else x
        probabilities = torch.empty(count, SIZE)
        for i in range(SIZE):
            probabilities[:, i] = torch.sigmoid(drawn[:, :i] @ self.rows[i] + self.bias[i])
            if x is None:
                drawn[:, i] = torch.bernoulli(probabilities[:, i])
        return probabilities, drawn


class LeanFVSBN:
    """The same images without needless operations: uniforms become thresholds of the sums before the loop."""

    def __init__(self, naive: NaiveFVSBN, batch: int) -> None:
        matrix = torch.zeros(SIZE, SIZE)
        for i, row in enumerate(naive.rows):
            matrix[i, :i] = row
        self.rows, self.bias, self.batch = naive.rows, naive.bias, batch
        self.columns = list(matrix.T.contiguous())
        self.drawn = torch.zeros(SIZE, batch)
        self.before = [self.drawn[:i].T for i in range(SIZE)]

    @torch.inference_mode()
    def sample(self) -> Tensor:
        """Draw images (784, B), in a buffer that is used again."""
        thresholds = torch.logit(torch.rand(SIZE, self.batch))
        if self.batch == 1:
            sums, pixels = self.bias.clone(), [False] * SIZE
            for i, (column, threshold) in enumerate(
                zip(self.columns, thresholds[:, 0].tolist(), strict=True)
            ):
                if sums[i].item() > threshold:
                    pixels[i] = True
                    sums.add_(column)
            return torch.tensor(pixels)[:, None]
        thresholds.sub_(self.bias[:, None])
        for row, before, threshold, pixel in zip(self.rows, self.before, thresholds, self.drawn, strict=True):
            torch.lt(threshold, torch.mv(before, row), out=pixel)
        return self.drawn


def check_same_model(model: FVSBN, naive: NaiveFVSBN) -> float:
    """Check that the naive network gives our samples the same log-probabilities; return their share of ones."""
    with model.stream(4, batch=4, chunk=SIDE, log_probs=True, engine="numba") as stream:
        chunks = [samples[0] for samples in stream.collect().values()]
    images = torch.as_tensor(np.stack([chunk.data.reshape(SIZE) for chunk in chunks])).float()
    probabilities = naive.run(images, 4)[0].double()
    theirs = torch.where(images > 0, probabilities, 1 - probabilities).log().sum(1).numpy()
    np.testing.assert_allclose([chunk.extra["log_prob"].sum() for chunk in chunks], theirs, atol=2e-3)
    return float(model.sample(64, chunk=SIDE, engine="numba", seed=1).mean())


@torch.inference_mode()
def check_same_distribution(naive: NaiveFVSBN, lean: LeanFVSBN, images: int = 96) -> None:
    """Check the likelihood of the lean loop's images under the naive network against that of the naive loop's."""
    torch.manual_seed(0)

    def scores(given: Tensor) -> Tensor:
        p = naive.run(given, len(given))[0].double()
        return torch.where(given > 0, p, 1 - p).log().sum(1)

    found = scores(torch.cat([lean.sample().T.float() for _ in range(images // lean.batch)]))
    expected = scores(naive.run(None, images)[1])
    error = (found.var() / len(found) + expected.var() / len(expected)).sqrt()
    assert abs(found.mean() - expected.mean()) < 6 * error, "the lean loop draws from another distribution"


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("kind", ["naive", "lean"])
def bench_fvsbn_784(benchmark: Any, kind: str, batch: int) -> None:
    model = trained()
    threads = min(batch, CORES)
    naive = NaiveFVSBN(model)

    lean = LeanFVSBN(naive, batch)
    check_same_distribution(naive, lean)

    @torch.inference_mode()
    def peer() -> int:
        if kind == "naive":
            naive.run(None, batch)
            return batch
        for _ in range(8):
            lean.sample()
        return 8 * batch

    with limited_threads(threads):
        ones = check_same_model(model, naive)
        way = fastest_way({kind: peer}, [1, CORES])
        stream = model.stream(batch=batch, chunk=SIDE, engine="numba", threads=threads, seed=3)

        def ours() -> int:
            for _ in range(8192):
                next(stream)
            return 8192

        made = side_by_side(
            benchmark, family="fvsbn", work=f"FVSBN 784, {batch} image{'s' * (batch > 1)}, bfloat16 weights",
            unit="images", ours=ours, peer=peer, peer_name=f"{kind} PyTorch loop", batch=batch, threads=threads,
            target=100 if batch == 1 and kind == "naive" else None, peer_threads=way.threads,
            precision="bfloat16",
            note=f"weights trained for a few steps on strokes; {100 * ones:.0f} % of the pixels drawn are 1; "
            f"{way.note}",
        )  # fmt: skip
        stream.close()
        size = SIZE * SIZE * 2
        bound = limits(size, threads)
    # each 1 adds, on average, the half of a column that belongs to the pixels after it
    gbytes, pixels = made.rate * ones * size / 2 / 1e9, made.rate * SIZE
    benchmark.extra_info.update(
        limit=f"{pixels / 1e6:.1f} M pixels/s; {bound.words(gbytes=gbytes)}; the rest is "
        "delivering the chunks in Python",
        pixels=pixels, peak_gbytes=bound.gbytes,
    )  # fmt: skip
