"""EoNADE: exact under every order, exact conditionals of every subset, the training objective, ensembles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqgen.models.eonade.model import EoNADE
from tests.conformance.parameters import in_float64, sharpened
from tests.models.nade import oracle

ORDERS: list[Any] = [None, np.arange(9)[::-1], np.random.default_rng(0).permutation(9)]


def make(layers: int = 1, levels: int = 2, size: int = 9) -> Any:
    return in_float64(sharpened(EoNADE(size, 5, layers, levels=levels), 3 + layers))


@pytest.mark.parametrize("order", ORDERS, ids=["raster", "backwards", "random"])
@pytest.mark.parametrize("layers", [1, 3])
def test_all_images_sum_to_one_under_every_order(layers: int, order: Any) -> None:
    model = make(layers)
    scores = model.log_prob(oracle.every(2, 9), condition=order)
    assert float(scores.exp().sum()) == pytest.approx(1.0, abs=1e-12)
    assert float(model.float().log_prob(oracle.every(2, 9), condition=order).exp().sum()) == pytest.approx(
        1.0, abs=1e-6
    )


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("levels", [2, 3])
def test_log_prob_is_that_of_the_equations(layers: int, levels: int) -> None:
    model = make(layers, levels, 6)
    orders = [np.random.default_rng(k).permutation(6) for k in range(7)]
    images = oracle.every(levels, 6)[5::9][:7]
    expected = [oracle.log_prob(model, x, order) for x, order in zip(images, orders, strict=True)]
    np.testing.assert_allclose(model.log_prob(images, condition=orders), expected, atol=1e-10)
    np.testing.assert_allclose(model.log_prob(images, condition=np.stack(orders)), expected, atol=1e-10)


def test_conditionals_of_any_subset_are_those_of_the_joint() -> None:
    """Under an order in which the known pixels come first, p(rest | known) = p(all) / p(known), by enumeration."""
    model, images = make(2), oracle.every(2, 9)
    for known in ([4], [0, 8], [1, 3, 5, 7], [8, 2, 6, 0, 1, 5]):
        order = np.array([*known, *(i for i in ORDERS[2] if i not in known)])
        values = images[77][known]
        scores = model.log_prob(images, condition=order).numpy()
        matching = (images[:, known] == values).all(1)
        joint = scores[matching]
        marginal = np.log(np.exp(joint).sum())
        # the known part only, by the chain rule in the same order
        conditional, mask, chain = oracle.eonade(model), np.zeros(9, bool), 0.0
        for i in known:
            chain += oracle.log_softmax(conditional(images[77], mask, i))[images[77, i]]
            mask[i] = True
        assert marginal == pytest.approx(chain, abs=1e-10)
        drawn = sum(np.exp(s - marginal) for s in joint)
        assert drawn == pytest.approx(1.0)


def test_ensemble_is_the_mean_of_probabilities() -> None:
    model, images = make(), oracle.every(2, 9)[::50]
    scores = np.stack([model.log_prob(images, condition=order) for order in ORDERS])
    expected = np.log(np.exp(scores).mean(0))
    np.testing.assert_allclose(model.ensemble_log_prob(images, ORDERS), expected, atol=1e-12)
    with pytest.raises(ValueError, match="at least one order"):
        model.ensemble_log_prob(images, [])


def test_training_loss_is_the_mean_over_all_orders() -> None:
    """Every subset of known pixels has its weight, so the expected loss can be enumerated."""
    model = make(1, 2, 4)
    x = np.array([1, 0, 0, 1])
    conditional = oracle.eonade(model)
    expected = 0.0
    for subset in oracle.every(2, 4).astype(bool)[:-1]:
        rest = np.flatnonzero(~subset)
        ways = len([s for s in oracle.every(2, 4) if s.sum() == subset.sum()])
        scores = [oracle.log_softmax(conditional(x, subset, i))[x[i]] for i in rest.tolist()]
        expected -= np.mean(scores) / ways / 4
    images = np.tile(x.reshape(1, 1, 2, 2), (20000, 1, 1, 1)).astype(np.uint8)
    with torch.no_grad():
        loss = float(model.training_loss(images, dropout_generator=torch.Generator().manual_seed(0)))
    assert loss == pytest.approx(expected, rel=0.02)
    orders = [np.random.default_rng(k).permutation(4) for k in range(500)]
    mean = -float(model.log_prob(np.tile(x, (500, 1)), condition=orders).mean()) / 4
    assert mean == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("condition", "kind", "message"),
    [
        ((0, 1, 2), ValueError, "each of the numbers 0 to 3 once"),
        (np.array([0, 1, 2, 2]), ValueError, "each of the numbers 0 to 3 once"),
        (np.array([0.0, 1.0, 2.0, 3.0]), TypeError, "array of the numbers 0 to 3"),
        ("backwards", TypeError, "array of the numbers 0 to 3"),
        ([np.arange(4)] * 3, ValueError, "one order for each of the 2 images, got 3"),
    ],
)
def test_bad_orders(condition: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make(1, 2, 4).log_prob(np.zeros((2, 4), int), condition=condition)
    if not isinstance(condition, list):
        with pytest.raises(kind, match=message):
            make(1, 2, 4).sample(1, condition=condition)
