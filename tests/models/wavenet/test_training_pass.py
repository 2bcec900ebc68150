"""The fast pass of training: as close to the exact outputs and gradients as PyTorch's own autocast, for all blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seqgen import WaveNet
from seqgen.models.wavenet import fast_pass as wavenet_stack
from seqgen.models.wavenet.outputs import log_probs

MODELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "three taps": {"kernel_size": 3},
    "one tap": {"kernel_size": 1},
    "one layer": {"layers": 1},
    "nearest": {"mels": 5, "hop": 30},
    "learned": {"mels": 5, "hop": 30, "upsampling": "learned"},
    "everything": {
        "mels": 5,
        "hop": 30,
        "upsampling": "learned",
        "classes": 3,
        "condition_size": 2,
        "kernel_size": 3,
    },
    "gaussian": {"output": "gaussian", "mixtures": 2, "classes": 2},
    "logistics": {"output": "logistics", "mixtures": 2},
    "odd sizes": {"residual_channels": 7, "gate_channels": 10, "skip_channels": 5, "levels": 37},
}
LENGTH = 600

Result = tuple[Tensor, dict[str, Tensor]]


def model_of(kind: str) -> WaveNet:
    sizes = {
        "layers": 6,
        "cycle": 5,
        "residual_channels": 16,
        "gate_channels": 32,
        "skip_channels": 24,
        "levels": 64,
    }
    return WaveNet(**sizes | MODELS[kind])


def batch_of(model: WaveNet, length: int = LENGTH) -> dict[str, Tensor | None]:
    draw = np.random.default_rng(0)
    # noise, because rounding errors add up in periodic sound
    noise = draw.uniform(-1, 1, (2, length)).astype(np.float32)
    x = np.stack([model.codec.encode(row) for row in noise])
    global_condition = None
    if model.conditions.global_width:
        global_condition = torch.as_tensor(
            draw.normal(size=(2, model.conditions.global_width)), dtype=torch.float32
        )
    features = None
    if model.hop is not None:
        features = torch.as_tensor(draw.normal(size=(2, -(-length // model.hop) + 3, 5)), dtype=torch.float32)
    return {"x": torch.as_tensor(x), "global_condition": global_condition, "features": features}


def run(model: WaveNet, batch: dict[str, Tensor | None], how: str) -> Result:
    """Return log-probabilities (2, T) and the gradient of their mean."""
    model.zero_grad()
    x, global_condition, features = batch["x"], batch["global_condition"], batch["features"]
    assert x is not None
    with torch.autocast("cpu", torch.bfloat16, enabled=how != "exact"):
        frames = None if features is None else model.frame_channels(features)
        raw = (
            model.from_start(x, global_condition, frames)
            if how == "fast"
            else model.advance(x, None, global_condition, frames)[0]
        )
        scores = log_probs(model.output_kind, raw if how == "fast" else raw.float(), x)
    scores.mean().backward()
    return scores.detach(), {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / (expected.norm() + 1e-6))


@pytest.mark.parametrize("kind", MODELS)
def test_the_fast_pass_is_as_exact_as_autocast(kind, monkeypatch):
    monkeypatch.setattr(wavenet_stack, "ROWS", 100)
    model = model_of(kind)
    batch = batch_of(model)
    exact, plain, fast = (run(model, batch, how) for how in ("exact", "plain", "fast"))
    assert set(fast[1]) == set(exact[1]) == {name for name, _ in model.named_parameters()}
    assert distance(fast[0], exact[0]) < max(1.5 * distance(plain[0], exact[0]), 2e-3)
    for name, expected in exact[1].items():
        allowed = max(2.0 * distance(plain[1][name], expected), 0.02)
        assert distance(fast[1][name], expected) < allowed, name


@pytest.mark.parametrize("kind", ["three taps", "everything"])
@pytest.mark.parametrize("rows", [7, 30, LENGTH - 1, 1000])
def test_blocks_change_nothing_but_rounding(kind, rows, monkeypatch):
    model = model_of(kind)
    batch = batch_of(model)
    monkeypatch.setattr(wavenet_stack, "ROWS", LENGTH)
    whole = run(model, batch, "fast")
    monkeypatch.setattr(wavenet_stack, "ROWS", rows)
    blocks = run(model, batch, "fast")
    torch.testing.assert_close(blocks[0], whole[0], atol=0.03, rtol=0.02)
    for name, expected in whole[1].items():
        assert distance(blocks[1][name], expected) < 0.03, name


def test_the_same_step_is_the_same_to_the_last_bit():
    """The memory that steps share carries nothing over."""
    model = model_of("everything")
    one, other = batch_of(model), batch_of(model)
    assert other["x"] is not None
    other["x"] = other["x"].flip(0, 1)
    first = run(model, one, "fast")
    run(model, other, "fast")
    run(model, batch_of(model, 90), "fast")
    again = run(model, one, "fast")
    torch.testing.assert_close(again[0], first[0], atol=0, rtol=0)
    for name, expected in first[1].items():
        torch.testing.assert_close(again[1][name], expected, atol=0, rtol=0)


def test_two_passes_may_wait_for_their_gradients():
    model = model_of("plain")
    x = batch_of(model)["x"]
    assert x is not None
    expected = [
        run(model, {"x": some, "global_condition": None, "features": None}, "fast")[1]
        for some in (x, x.flip(1))
    ]
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        losses = [log_probs("categorical", model.from_start(some), some).mean() for some in (x, x.flip(1))]
    for loss in losses:
        loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, expected[0][name] + expected[1][name])


def test_without_gradients_it_gives_the_same():
    model = model_of("learned")
    batch = batch_of(model)
    x, features = batch["x"], batch["features"]
    assert x is not None
    assert features is not None
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        raw = model.from_start(x, None, model.frame_channels(features))
    torch.testing.assert_close(log_probs("categorical", raw, x), run(model, batch, "fast")[0], atol=0, rtol=0)


@pytest.mark.parametrize("symbols", [2, 15, 16, 37, 256])
def test_log_probs_of_narrow_logits(symbols):
    draw = torch.Generator().manual_seed(0)
    logits = (10 * torch.randn(9, 5, symbols, generator=draw)).bfloat16().requires_grad_()
    chosen = torch.randint(symbols, (9, 5), generator=draw)
    weight = torch.randn(9, 5, generator=draw)
    found = log_probs("categorical", logits, chosen)
    (gradient,) = torch.autograd.grad((found * weight).sum(), logits)
    exact = torch.log_softmax(logits.double(), -1).gather(-1, chosen[..., None])[..., 0]
    (expected,) = torch.autograd.grad((exact * weight).sum(), logits)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradient.float(), expected.float(), atol=1e-4, rtol=1e-2)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(threads):
    model = model_of("everything")
    batch = batch_of(model)
    before = torch.get_num_threads()
    results = []
    try:
        for number in (1, threads):
            torch.set_num_threads(number)
            results.append(run(model, batch, "fast"))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(before)
    alone, together = results
    # the layers before and after may be summed in a different order
    torch.testing.assert_close(together[0], alone[0], atol=0.02, rtol=0.01)
    for name, expected in alone[1].items():
        assert distance(together[1][name], expected) < 0.01, name
