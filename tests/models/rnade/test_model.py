"""RNADE: densities against quadrature and the equations, standardising, arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from seqgen.models.rnade.model import RNADE


def make(dimensions: int) -> RNADE:
    model = RNADE(dimensions, 6, 3, seed=2).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.4 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model.standardise(
        np.random.default_rng(0).normal([2.0, -1.0, 0.0][:dimensions], 1.5, (40, dimensions))
    )


def equations(model: RNADE, x: np.ndarray) -> float:
    """Return the log-density of one vector, number by number."""
    p = {name: array.astype(np.float64) for name, array in model.arrays().items()}
    z = (x - p["location"]) / p["scale"]
    total = 0.0
    for d in range(len(x)):
        sums = p["input_bias"] + sum((z[j] * p["input"][j] for j in range(d)), np.zeros(model.hidden_size))
        hidden = np.maximum(p["rescaling"][d] * sums, 0.0)
        logits, means, deviations = p["output"][d] @ hidden + p["output_bias"][d]
        weights = np.exp(logits) / np.exp(logits).sum()
        total += math.log(float(weights @ norm.pdf(z[d], means, np.exp(deviations)))) - math.log(
            p["scale"][d]
        )
    return total


def test_densities_integrate_to_one() -> None:
    grid = np.linspace(-80, 80, 40001)
    one = make(1).log_prob(grid[:, None]).exp().sum() * (grid[1] - grid[0])
    assert float(one) == pytest.approx(1.0, abs=1e-6)
    # over two dimensions by Gauss-Legendre, on a square that contains nearly all mass
    nodes, weights = np.polynomial.legendre.leggauss(400)
    points = 60.0 * nodes
    x, y = np.meshgrid(points, points, indexing="ij")
    density = make(2).log_prob(np.stack([x.ravel(), y.ravel()], 1)).exp().numpy()
    assert density @ np.outer(weights, weights).ravel() * 3600.0 == pytest.approx(1.0, abs=1e-3)


def test_log_prob_is_that_of_the_equations() -> None:
    model = make(3)
    x = np.random.default_rng(1).normal(size=(5, 3))
    expected = [equations(model, row) for row in x]
    np.testing.assert_allclose(model.log_prob(x), expected, atol=1e-10)
    np.testing.assert_allclose(RNADE.from_weights(model.weights()).float().log_prob(x), expected, atol=1e-3)
    assert float(model.log_prob(x[0])[0]) == pytest.approx(expected[0])


def test_samples_have_the_density() -> None:
    """Checks the probability transform of the first number, and the mean log-density, of many samples."""
    model = make(2)
    x = np.stack(model.sample(4000, seed=3, engine="numba"))
    p = model.arrays()
    logits, means, deviations = (
        p["output"][0] @ np.maximum(p["rescaling"][0] * p["input_bias"], 0.0) + p["output_bias"][0]
    )
    z = (x[:, 0] - p["location"][0]) / p["scale"][0]
    weights = np.exp(logits) / np.exp(logits).sum()
    ranks = np.sort((norm.cdf(z[:, None], means, np.exp(deviations)) * weights).sum(1))
    assert np.abs(ranks - (np.arange(4000) + 0.5) / 4000).max() < 1.95 / np.sqrt(4000)


def test_training_fits_a_curve() -> None:
    """y = x² + noise: far better than independent Gaussians."""
    noise = np.random.default_rng(0)
    x = noise.normal(size=(400, 1))
    data = np.concatenate([x, x**2 + 0.1 * noise.normal(size=x.shape)], 1)
    model = RNADE(2, 20, 3, seed=1).standardise(data)
    before = float(model.log_prob(data).mean())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        (-model.log_prob(data, grad=True).mean()).backward()
        optimizer.step()
    gaussian = norm.logpdf(data, data.mean(0), data.std(0)).sum(1).mean()
    assert float(model.log_prob(data).mean()) > max(before, gaussian) + 0.5


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        ([[0.0, 1.0]], ValueError, r"shape \(B, 3\) or \(3,\), got \(1, 2\)"),
        ([[0.0, 1.0, math.nan]], ValueError, "finite, got nan"),
        ([["a", "b", "c"]], TypeError, "vectors must be numbers"),
        ([[0.0], [1.0, 2.0]], TypeError, "vectors must be an array of numbers"),
        (np.zeros((0, 3)), ValueError, "at least one vector"),
        ([[0.0, 0.0, 1e300]], ValueError, "within 1e\\+30 deviations of the model's mean"),
    ],
)
def test_bad_vectors(x: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        make(3).log_prob(x)


def test_tensors_are_vectors_too() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3))
    model = make(3)
    assert torch.equal(model.log_prob(torch.tensor(x, requires_grad=True)), model.log_prob(x))
