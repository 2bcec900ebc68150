"""The C loop that WaveNet is compared with: it computes our model on every kind of CPU, without spilled sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import machine
from benchmarks.compiler import NoCompilerError

pytest.importorskip("torch", reason="the models are modules of torch")

from benchmarks import wavenet_peers
from benchmarks.wavenet_peers import CLoop, TorchLoop, comparable
from tests.benchmarks.assembly import assembly, inner_loops, stack_accesses

NARROWER = {
    "avx512": ["avx512", "avx2", "sse"], "avx2": ["avx2", "sse"], "sse": ["sse"], "neon": ["neon"],
}  # fmt: skip


@pytest.mark.parametrize("kind", machine.VECTORS)
def test_the_c_loop_gives_the_probabilities_of_the_model(kind: str) -> None:
    if kind not in NARROWER[machine.vectors()]:
        pytest.skip(f"this CPU has no {machine.VECTORS[kind]}")
    model = comparable()
    try:
        loop, checked = CLoop(model, kind=kind), CLoop(model, kind=kind)
    except NoCompilerError as error:
        pytest.skip(str(error))
    symbols = loop.draw(60)
    assert len(np.unique(symbols)) > 10, "the check is weak if few symbols occur"
    np.testing.assert_allclose(checked.log_probs(symbols), TorchLoop(model, 1).log_probs(symbols), atol=1e-3)


@pytest.mark.parametrize("kind", ["avx512", "avx2", "neon"])
def test_the_products_of_the_c_loop_do_not_touch_the_stack(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = assembly(wavenet_peers.SOURCE, wavenet_peers.OPTIONS, kind, tmp_path, monkeypatch)
    multiply = "fmla" if kind == "neon" else "vfmadd"
    products = [
        loop for loop in inner_loops(text) if sum(line.startswith(multiply) for line in loop) in (8, 16)
    ]
    assert products
    assert not [line for loop in products for line in stack_accesses(loop)]
