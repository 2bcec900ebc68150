"""WaveNet: the fused sampler compared with a library, a PyTorch loop and a C loop, all with the same weights.

That a peer computes the same model is checked symbol by symbol: our symbols are fed to it, and its log-probabilities
must be ours. The weights are random; the speed does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.compiler import NoCompilerError
from benchmarks.limits import limits
from benchmarks.machine import VECTORS, vectors
from benchmarks.side_by_side import Measured, limited_threads, side_by_side
from benchmarks.wavenet_peers import (
    CLoop,
    LeanTorchLoop,
    TorchLoop,
    comparable,
    compiled_loop,
    vocoder_log_probs,
    vocoder_of,
)  # fmt: skip
from benchmarks.ways import compiling, fastest_way
from seqgen import WaveNet
from seqgen.threads import usable_threads

CORES = usable_threads()
NAME = "WaveNet, 20 layers, 64 residual, 256 skip channels, 256 symbols"
CHECKED = 400


def multiply_adds(model: WaveNet) -> int:
    """Return the multiply-accumulates per sample: the number of weights that are read, except for the input table."""
    return sum(
        array.size for name, array in model.arrays().items() if array.ndim == 2 and name != "input.weight"
    )


def drawn(model: WaveNet, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a sample; return its symbols and their log-probabilities."""
    chunks = list(model.stream(1, length, seed=9, log_probs=True, engine="numba"))
    symbols = np.concatenate([model.codec.encode(chunk.data) for chunk in chunks])
    assert len(np.unique(symbols)) > 50, "the check is weak if few symbols occur"
    return symbols, np.concatenate([chunk.extra["log_prob"] for chunk in chunks])


def measure(
    benchmark: Any, model: WaveNet, *, precision: str, peer: Callable[[], int], peer_name: str, count: int,
    target: float | None, batch: int = 1, threads: int = 1, peer_threads: int = 1, target_rate: float | None = None,
    rounds: int = 5, note: str = "",
) -> Measured:  # fmt: skip
    """Measure one row: `count` samples of every stream in one of our rounds."""
    chunk = min(count, 1600)
    macs = multiply_adds(model)
    size = macs * (2 if precision == "bfloat16" else 4)
    with limited_threads(threads):
        stream = model.stream(
            batch=batch, chunk=chunk, engine="numba", precision=precision, threads=threads, seed=3
        )

        def ours() -> int:
            return sum(len(next(stream).data) for _ in range(batch * count // chunk))

        streams = f"{batch} stream{'s' * (batch > 1)}"
        made = side_by_side(
            benchmark, family="wavenet", work=f"{NAME}, {streams}, {precision} weights", unit="samples", ours=ours,
            peer=peer, peer_name=peer_name, peer_threads=peer_threads, target=target, target_rate=target_rate,
            batch=batch, threads=threads, rounds=rounds, precision=precision, note=note,
        )  # fmt: skip
        stream.close()
        bound = limits(size, threads)
    gmacs = made.rate * macs / 1e9
    reached = bound.words(gmacs, made.rate * size / 1e9 if batch == 1 else None, ratio=made.ratio)
    limit = f"{made.rate / 16000:.2f}× real time at 16 kHz; {reached}"
    benchmark.extra_info.update(limit=limit, gmacs=gmacs, peak_gmacs=bound.gmacs, peak_gbytes=bound.gbytes)
    return made


@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def bench_wavenet_library(benchmark: Any, precision: str) -> None:
    """Measure one stream on one core, compared with wavenet_vocoder's `incremental_forward`."""
    model = comparable(precision)
    vocoder = vocoder_of(model)
    symbols, scores = drawn(model, CHECKED)
    np.testing.assert_allclose(vocoder_log_probs(vocoder, symbols), scores, atol=1e-3)

    @torch.inference_mode()
    def theirs() -> int:
        start = torch.zeros(1, 256, 1)
        return int(vocoder.incremental_forward(initial_input=start, T=100).shape[2])

    measure(
        benchmark, model, precision=precision, peer=theirs, peer_name="wavenet_vocoder 0.1.1", count=8000,
        target=50 if precision == "bfloat16" else None, rounds=3,
    )  # fmt: skip


@pytest.mark.parametrize(("batch", "target"), [(1, None), (16, 8), (64, 4)])
def bench_wavenet_torch_loop(benchmark: Any, batch: int, target: float | None) -> None:
    """Compare with a PyTorch loop with ring buffers: plain, in place or compiled, whichever is fastest."""
    model = comparable()
    symbols, scores = drawn(model, CHECKED)
    for kind in (TorchLoop, LeanTorchLoop):
        np.testing.assert_allclose(kind(model, batch).log_probs(symbols), scores, atol=1e-3)
    threads = min(batch, CORES)
    count = {1: 200, 16: 100, 64: 50}[batch]

    def work(loop: TorchLoop) -> Callable[[], int]:
        return lambda: loop.draw(count).numel()

    way = fastest_way(
        {"plain": work(TorchLoop(model, batch)), "in place": work(LeanTorchLoop(model, batch))}, [1, CORES],
        {"compiled": lambda: work(compiled_loop(model, batch))} if compiling() else None,
    )  # fmt: skip
    measure(
        benchmark, model, precision="bfloat16", peer=way.work, peer_name=f"PyTorch loop, {way.name}", target=target,
        batch=batch, threads=threads, peer_threads=way.threads, rounds=3, note=way.note,
        count={1: 8000, 16: 1600, 64: 400}[batch],
    )  # fmt: skip


@pytest.mark.parametrize("rounded", [False, pytest.param(True, marks=pytest.mark.slow)])
def bench_wavenet_c_loop(benchmark: Any, rounded: bool) -> None:
    """Compare one stream on one core with a C loop with vectors of the machine's width and bfloat16 weights.

    With AVX-512 BF16, where there is that, the C loop rounds the multiplicands of the weights to bfloat16, too, with
    results that differ between CPUs; the row shows how much faster that is, and the note its effect on the likelihood.
    """
    model = comparable()
    try:
        check, loop = CLoop(model, rounded_inputs=rounded), CLoop(model, rounded_inputs=rounded)
    except NoCompilerError as error:
        pytest.skip(str(error))
    symbols, scores = drawn(model, CHECKED)
    errors = np.abs(check.log_probs(symbols) - scores)
    assert errors.max() < (0.1 if rounded else 1e-3)

    def theirs() -> int:
        return len(loop.draw(8000))

    measure(
        benchmark, model, precision="bfloat16", peer=theirs,
        peer_name=f"C, {'AVX-512 BF16' if rounded else VECTORS[vectors()]}", count=8000,
        target=None if rounded else 0.95, rounds=5,
        note=f"its log-probabilities are {errors.mean():.2g} nats from ours on average" if rounded else "",
    )  # fmt: skip


@pytest.mark.skipif(CORES < 2, reason="needs two cores")
def bench_wavenet_two_cores(benchmark: Any) -> None:
    """Compare one stream on two cores with the same on one."""
    model = comparable()
    with model.stream(chunk=1600, engine="numba", precision="bfloat16", threads=1, seed=3) as alone:
        measure(
            benchmark, model, precision="bfloat16", peer=lambda: sum(len(next(alone).data) for _ in range(5)),
            peer_name="ours on one core", count=8000, target=None, threads=2, rounds=5,
        )  # fmt: skip
