"""FVSBN and NADE: likelihoods against enumeration and the equations, gradients, arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import seqgen.models.nade.model as nade_module
from seqgen.models.fvsbn.model import FVSBN
from seqgen.models.nade.model import NADE
from tests.conformance.parameters import in_float64, sharpened
from tests.models.nade import oracle

MODELS: dict[str, Callable[[], Any]] = {
    "fvsbn": lambda: FVSBN(9),
    "nade": lambda: NADE(9, 7),
    "nade-levels": lambda: NADE(4, 6, levels=4),
    "nade-colour": lambda: NADE(6, 5, levels=3, shape=(3, 1, 2)),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    return sharpened(MODELS[request.param](), 3)


def test_all_images_sum_to_one(model: Any) -> None:
    images = oracle.every(model.codec.levels, model.dimensions)
    for one in (model, in_float64(model)):
        total = one.log_prob(np.stack([oracle.to_image(x, model.codec.shape) for x in images])).exp().sum()
        assert float(total) == pytest.approx(1.0, abs=1e-6 if one is model else 1e-12)


def test_log_prob_is_that_of_the_equations(model: Any) -> None:
    for x in oracle.every(model.codec.levels, model.dimensions)[::37]:
        expected = oracle.log_prob(model, x)
        image = oracle.to_image(x, model.codec.shape)
        assert float(in_float64(model).log_prob(image)[0]) == pytest.approx(expected, abs=1e-10)
        assert float(model.log_prob(image)[0]) == pytest.approx(expected, abs=2e-5)


def test_a_pixel_depends_on_the_ones_before_it_only(model: Any) -> None:
    torch.manual_seed(0)
    base = torch.randint(model.codec.levels, (1, model.dimensions))
    shape = model.codec.shape

    def logits(x: torch.Tensor) -> np.ndarray:
        image = torch.as_tensor(oracle.to_image(x[0].numpy(), shape).copy())[None]
        with torch.no_grad():
            out = model(image)[0]  # (C, L, H, W)
        return out.permute(2, 3, 0, 1).flatten(0, 2).numpy()  # (D, L)

    before = logits(base)
    for i in range(model.dimensions):
        changed = base.clone()
        changed[0, i] = (changed[0, i] + 1) % model.codec.levels
        differs = np.abs(logits(changed) - before).max(1) > 1e-6
        assert not differs[: i + 1].any()
        assert differs[i + 1 :].all()


@pytest.mark.parametrize("levels", [2, 4])
@pytest.mark.parametrize("size", [3, 70])
def test_fused_and_blocked_sums_agree_with_their_gradients(levels: int, size: int) -> None:
    model = sharpened(NADE(40, size, levels=levels, shape=(1, 4, 10)), 1)
    x = torch.randint(levels, (5, 40), generator=torch.Generator().manual_seed(0))
    weights = torch.randn(5, 40, levels - 1, generator=torch.Generator().manual_seed(1))
    results = []
    for compute in (model.fused, model.in_blocks, in_float64(model).in_blocks):
        owner = compute.__self__
        owner.zero_grad()
        out = compute(x)
        (out * weights).sum().backward()
        results.append([out.detach(), *(parameter.grad for parameter in owner.parameters())])
    for fused, blocked, exact in zip(*results, strict=True):
        scale = float(exact.abs().max())
        torch.testing.assert_close(fused.double(), exact, atol=1e-5 * scale, rtol=0)
        torch.testing.assert_close(blocked.double(), exact, atol=1e-5 * scale, rtol=0)


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = in_float64(sharpened(NADE(20, 6, levels=3), 2))
    x = torch.randint(3, (4, 20), generator=torch.Generator().manual_seed(0))
    expected = model.in_blocks(x)
    for block in (1, 7, 20, 64):
        monkeypatch.setattr(nade_module, "BLOCK", block)
        torch.testing.assert_close(model.in_blocks(x), expected, atol=1e-12, rtol=0)


def test_training_raises_the_likelihood(model: Any) -> None:
    images = np.stack([oracle.to_image(np.arange(model.dimensions) % 2, model.codec.shape)] * 4)
    before = float(model.log_prob(images[:1])[0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(10):
        optimizer.zero_grad()
        model.training_loss(images).backward()
        optimizer.step()
    assert float(model.log_prob(images[:1])[0]) > before


def test_only_the_triangle_is_stored() -> None:
    model = sharpened(FVSBN(5), 0)
    assert {name: array.shape for name, array in model.arrays().items()} == {"weight": (10,), "bias": (5,)}
    matrix = model.matrix().detach().numpy()
    assert np.array_equal(matrix[np.tril_indices(5, -1)], model.arrays()["weight"])
    assert not np.triu(matrix).any()


def test_shape_is_a_square_a_row_or_as_given() -> None:
    assert FVSBN(16).codec.shape == (1, 4, 4)
    assert NADE(7, 2).codec.shape == (1, 1, 7)
    assert NADE(12, 2, shape=(3, 2, 2)).codec.shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dimensions": 0}, "dimensions must be at least 1, got 0"),
        ({"dimensions": 9, "hidden_size": 0}, "hidden_size must be at least 1, got 0"),
        ({"dimensions": 9, "levels": 1}, "levels must be between 2 and 256, got 1"),
        ({"dimensions": 9, "shape": (1, 2, 4)}, "as many pixels times colours as there are dimensions, 9"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NADE(**arguments)
