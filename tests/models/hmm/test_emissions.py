"""Emissions: densities against scipy, M-steps against their closed forms, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seqgen import Categorical, Gaussian, GaussianMixture, Poisson
from seqgen.models.hmm.emissions import emission_from
from tests.models.hmm.examples import KINDS, emission

NO_PRIOR = {"smoothing": 0.0, "regularisation": 0.0}


def draws(made, count: int = 7) -> np.ndarray:
    r = np.random.default_rng(9)
    if made.name == "categorical":
        return r.integers(0, made.size, count)
    shape = (count, made.dimensions) if made.dimensions else count
    return r.integers(0, 20, shape) if made.discrete else r.normal(size=shape)


def density(made, x: np.ndarray, state: int) -> np.ndarray:
    """Return the log-density of x in a state, by scipy."""
    if made.name == "categorical":
        return np.log(made.probabilities[state, x])
    if made.name == "poisson":
        each = stats.poisson(made.rates[state]).logpmf(x)
        return each.sum(-1) if made.dimensions else each
    weights = np.ones(1) if made.name == "gaussian" else made.mixing[state]
    means, covariances = np.atleast_2d(made.means[state]), made.covariances[state]
    if made.name == "gaussian":
        covariances = np.asarray(covariances)[None]
    total = 0.0
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        full = covariance * np.eye(2) if made.covariance_type != "full" else covariance
        total = total + weight * stats.multivariate_normal(mean, full).pdf(x)
    return np.log(total)


@pytest.mark.parametrize("kind", KINDS)
def test_densities(kind):
    made = emission(kind, 3)
    x = draws(made)
    expected = np.stack([density(made, x, state) for state in range(3)], 1)
    assert made.log_likelihood(x) == pytest.approx(expected, abs=1e-10)
    found = made.likelihood(x)
    assert np.log(found.relative[found.rows]) + found.shift[found.rows, None] == pytest.approx(
        expected, abs=1e-9
    )
    assert found.relative.max(1) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_its_neighbours(kind):
    made = emission(kind, 3)
    x = draws(made, 40)
    assert np.array_equal(made.log_likelihood(x)[13:14], made.log_likelihood(x[13:14]))


@pytest.mark.parametrize("kind", KINDS)
def test_config_and_arrays_describe_it(kind):
    made = emission(kind, 3)
    again = emission_from(made.config(), made.arrays())
    assert type(again) is type(made)
    for name, array in made.arrays().items():
        assert np.array_equal(again.arrays()[name], array)
    assert "(3, " in repr(made) or "(3,)" in repr(made)


def test_free_parameters():
    counts = {kind: emission(kind, 3).free_parameters() for kind in KINDS}
    assert counts == {
        "categorical": 12, "poisson": 3, "poisson-vectors": 9, "gaussian-diag": 12, "gaussian-full": 15,
        "gaussian-spherical": 9, "mixture-diag": 42, "mixture-full": 51,
    }  # fmt: skip


def test_expectations():
    assert emission("poisson", 3).expectation().shape == (3,)
    mixture = GaussianMixture([[0.25, 0.75]], [[[0.0], [4.0]]], [[[1.0], [1.0]]])
    assert mixture.expectation().tolist() == [[3.0]]


# ---- M-steps ------------------------------------------------------------------------------------------


def posteriors(count: int, states: int) -> np.ndarray:
    return np.random.default_rng(2).dirichlet(np.ones(states), count)


def test_refit_of_categorical_and_poisson():
    given, x = posteriors(50, 2), draws(emission("categorical", 2), 50)
    counts = np.stack([np.bincount(x, weights=given[:, k], minlength=5) for k in range(2)])
    refitted = emission("categorical", 2).refit(x, given, **NO_PRIOR)
    assert refitted.probabilities == pytest.approx(counts / counts.sum(1, keepdims=True))
    smoothed = emission("categorical", 2).refit(x, given, smoothing=2.0, regularisation=0.0)
    assert smoothed.probabilities == pytest.approx((counts + 2) / (counts + 2).sum(1, keepdims=True))
    for kind in ("poisson", "poisson-vectors"):
        x = draws(emission(kind, 2), 50)
        assert emission(kind, 2).refit(x, given, **NO_PRIOR).rates == pytest.approx(
            np.stack([np.average(x, axis=0, weights=given[:, k]) for k in range(2)])
        )


def test_refit_of_gaussians():
    given, x = posteriors(50, 2), np.random.default_rng(3).normal(size=(50, 2))
    full = emission("gaussian-full", 2).refit(x, given, **NO_PRIOR)
    diag = emission("gaussian-diag", 2).refit(x, given, **NO_PRIOR)
    spherical = emission("gaussian-spherical", 2).refit(x, given, **NO_PRIOR)
    for k in range(2):
        covariance = np.cov(x.T, aweights=given[:, k], ddof=0)
        assert full.means[k] == pytest.approx(np.average(x, axis=0, weights=given[:, k]))
        assert full.covariances[k] == pytest.approx(covariance)
        assert diag.covariances[k] == pytest.approx(np.diag(covariance))
        assert spherical.covariances[k] == pytest.approx(np.trace(covariance) / 2)
    regular = emission("gaussian-diag", 2).refit(x, given, smoothing=0.0, regularisation=0.5)
    assert regular.covariances == pytest.approx(diag.covariances + 0.5 * x.var(0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_nothing_belongs_to_keeps_its_parameters(kind):
    made = emission(kind, 2)
    given = np.tile([0.0, 1.0], (30, 1))
    refitted = made.refit(draws(made, 30), given, smoothing=0.0, regularisation=1e-3)
    for name, array in made.arrays().items():
        assert refitted.arrays()[name][0] == pytest.approx(array[0])
        assert not np.allclose(refitted.arrays()[name][1], array[1])


# ---- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Categorical([[0.5, 0.5], [0.5, 0.4]]), "row 1 of probabilities sums to 0.9, it must sum to 1"),
        (lambda: Categorical([[1.5, -0.5]]), r"probabilities must not be negative, got -0.5 at \[0, 1\]"),
        (lambda: Categorical([[np.nan, 1.0]]), r"probabilities must be finite, got nan at \[0, 0\]"),
        (lambda: Categorical([0.5, 0.5]), r"probabilities must have the shape \(K, V\), got \(2,\)"),
        (lambda: Poisson([1.0, -2.0]), r"rates must be at least 0, got -2 at \[1\]"),
        (lambda: Poisson([[[1.0]]]), r"rates must have the shape \(K,\) or \(K, D\), got \(1, 1, 1\)"),
        (lambda: Poisson([np.inf]), "rates must be finite, got inf"),
        (lambda: Gaussian([0.0], [1.0]), r"means must have the shape \(K, D\)"),
        (lambda: Gaussian([[0.0]], [[1.0]], "round"), "covariance_type must be one of 'diag', 'full', 'spherical'"),
        (lambda: Gaussian([[0.0, 1.0]], [[1.0]]), r"covariances must have the shape \(1, 2\), got \(1, 1\)"),
        (lambda: Gaussian([[0.0], [1.0]], [[1.0], [0.0]]), "singular covariances: state 1 has the variance 0 in dimen"),
        (lambda: Gaussian([[0.0], [1.0]], [1.0, -1.0], "spherical"), "state 1 has the variance -1; every variance"),
        (lambda: Gaussian([[0, 0]], [[[1, 1], [1, 1]]], "full"), "singular covariances: that of state 0 has the eig"),
        (lambda: Gaussian([[0, 0]], [[[1, 1], [0, 1]]], "full"), "must be symmetric, that of state 0 is not"),
        (lambda: GaussianMixture([0.5, 0.4], [[0], [1]], [[1], [1]]), "weights sums to 0.9, it must sum to 1"),
        (
            lambda: GaussianMixture([[0.5, 0.5]], [[[0], [1]]], [[[1], [0]]]),
            "singular covariances: state 0, component 1 has the variance 0",
        ),
    ],
)  # fmt: skip
def test_bad_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_parameters_that_are_no_numbers():
    with pytest.raises(TypeError, match="means must be an array of numbers, got 'here'"):
        Gaussian("here", [[1.0]])


@pytest.mark.parametrize(
    ("kind", "x", "message"),
    [
        ("categorical", [0, 5], "symbols must be between 0 and 4, got 5"),
        ("poisson", [1, -1], "observations must be counts of at least 0, got -1"),
        ("poisson", [1.0, 0.5], "observations must be whole numbers, got 0.5"),
        ("poisson", [1.0, np.nan], "observations must be whole numbers, got nan"),
        ("poisson", [1.0, np.inf], "observations must be whole numbers, got inf"),
        ("poisson-vectors", [[1, 2]], r"observations must have the shape \(T, 3\), got \(1, 2\)"),
        ("gaussian-diag", [[0.0, 1.0], [np.nan, 0.0]], "observations must be finite, got nan at position 1, dim"),
        ("gaussian-full", [0.0, 1.0], r"observations must have the shape \(T, 2\), got \(2,\)"),
        ("mixture-full", [[0.0, -np.inf]], "observations must be finite, got -inf at position 0, dimension 1"),
    ],
)  # fmt: skip
def test_bad_observations(kind, x, message):
    with pytest.raises(ValueError, match=message):
        emission(kind, 2).log_likelihood(x)


def test_symbols_must_be_integers():
    with pytest.raises(TypeError, match="expected a 1-d integer array of symbols, got float64"):
        emission("categorical", 2).log_likelihood([0.0, 1.0])


def test_rates_of_zero():
    made = Poisson([0.0, 2.0])
    assert made.log_likelihood([0, 1])[:, 0].tolist() == [0.0, -np.inf]
