"""Data and parameters at the edge: constant features, few points, columns, rounded rows, points far away."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen import HMM, Categorical, Gaussian, GaussianMixture, Poisson


@pytest.mark.parametrize("emission", ["gaussian", "gaussian-mixture"])
@pytest.mark.parametrize("covariance_type", ["diag", "full", "spherical"])
@pytest.mark.parametrize("value", [0.0, 3.0, 1e9, 1e-9])
def test_a_constant_feature_can_be_fitted(emission, covariance_type, value):
    generator = np.random.default_rng(0)
    x = np.stack([generator.normal(size=80), np.full(80, value)], 1)
    x[40:, 0] += 5.0
    model = HMM.initialise(2, x, emission=emission, covariance_type=covariance_type)
    model.fit(x, iterations=10)
    assert np.isfinite(model.history.log_likelihoods).all()
    assert np.isfinite(model.sample(1, length=20)[0]).all()
    np.testing.assert_allclose(model.smooth(x).sum(1), 1.0, atol=1e-9)


@pytest.mark.parametrize("emission", ["gaussian", "gaussian-mixture"])
@pytest.mark.parametrize("points", [1, 2, 3, 5])
def test_there_may_be_fewer_different_points_than_states(emission, points):
    x = np.tile(np.arange(points, dtype=float)[:, None], (12 // points, 1))
    model = HMM.initialise(4, x, emission=emission)
    model.fit(x, iterations=5)
    assert np.isfinite(model.history.log_likelihoods).all()
    mixture = GaussianMixture.initialise(4, x) if hasattr(GaussianMixture, "initialise") else None
    if mixture is not None:
        mixture.fit(x, iterations=5)
        assert np.isfinite(mixture.score_samples(x)).all()


@pytest.mark.parametrize("points", [1, 2, 3])
def test_there_may_be_fewer_points_than_states(points):
    x = np.arange(points, dtype=float)[:, None]
    model = HMM.initialise(4, x, emission="gaussian")
    assert np.isfinite(model.log_prob(x)).all()


@pytest.mark.parametrize(
    "emission",
    [Categorical([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]), Poisson([1.0, 5.0])],
    ids=["categorical", "poisson"],
)
def test_a_column_is_one_sequence(emission):
    model = HMM([0.6, 0.4], [[0.7, 0.3], [0.2, 0.8]], emission)
    x = np.array([0, 2, 1, 2, 2, 0])
    whole = model.log_prob(x)
    assert whole.shape == (1,)
    np.testing.assert_array_equal(model.log_prob(x[:, None]), whole)
    np.testing.assert_array_equal(model.log_prob([x[:, None], x[:3, None]])[0], whole[0])
    np.testing.assert_array_equal(model.smooth(x[:, None]), model.smooth(x))
    np.testing.assert_array_equal(model.decode(x[:, None]), model.decode(x))
    assert model.log_prob(np.stack([x, x])).shape == (2,)
    one, other = (
        HMM(model.start, model.transition, emission).fit(each, iterations=3) for each in (x, x[:, None])
    )
    np.testing.assert_array_equal(one.transition, other.transition)


def test_initialise_reads_a_column_as_one_sequence():
    x = np.arange(40) % 3
    one, other = (HMM.initialise(2, each, emission="categorical") for each in (x, x[:, None]))
    np.testing.assert_array_equal(one.emission.probabilities, other.emission.probabilities)


def test_rows_within_a_millionth_of_one_are_normalised():
    third = [0.333333, 0.333333, 0.333334]
    rows = [[0.3333333, 0.3333333, 0.3333333], third, [0.2, 0.3, 0.5 + 9e-7]]
    model = HMM(third, rows, Categorical(rows))
    for table in (model.transition, model.emission.probabilities):
        np.testing.assert_allclose(table.sum(1), 1.0, atol=1e-15)
    with pytest.raises(ValueError, match="row 0 of transition sums to"):
        HMM([1.0, 0.0], [[0.5, 0.500002], [0.5, 0.5]], Gaussian([[0.0], [1.0]], [[1.0], [1.0]]))


@pytest.mark.parametrize("x", [30.0, 1e3, 1e8, -1e150, 1e200])
def test_posteriors_of_a_mixture_add_up_to_one_however_far_away(x):
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [10.0]], [[1.0], [1.0]])
    given = mixture.posterior([[x], [5.0]])
    np.testing.assert_allclose(given.sum(-1), 1.0, atol=1e-12)
    np.testing.assert_allclose(given[1], [0.5, 0.5])
    if 0 < x < 1e100:
        assert given[0, 1] > 0.99
