"""NADE 784×500, binarized digits: whole images from the fused sampler, compared with PyTorch loops.

The library's way is `NADE.sample` of pytorch-generative if that package can be imported, else the same loop,
implemented here: it creates a distribution for every pixel. The lean loop computes the same sums in place and compares
uniforms with the probabilities. For one image, a third loop adds a row only where a pixel is 1, as our engine does.
The likelihood of our samples under the peer's network shows that both compute the same model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.limits import limits
from benchmarks.nade_peers import (
    HIDDEN,
    SIDE,
    SIZE,
    BranchingNADE,
    LeanNADE,
    NaiveNADE,
    check_same_distribution,
    library_peer,
    trained,
)
from benchmarks.side_by_side import limited_threads, side_by_side
from benchmarks.ways import fastest_way
from seqgen.models.nade.model import NADE
from seqgen.threads import usable_threads

PRECISIONS = ("float32", "bfloat16")
CORES = usable_threads()


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
    ("library", 1, 1000.0), ("lean", 1, 110.0), pytest.param("branching", 1, None, marks=pytest.mark.slow),
    ("library", 16, 60.0), ("lean", 16, None),
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
