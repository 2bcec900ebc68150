"""Sparse transition matrices, outliers and states that cannot be reached, beside inference in logarithms throughout."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqgen import HMM, Categorical, Gaussian, Poisson, SeqgenError
from seqgen.models.hmm import inference


def log_space(model: HMM, x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-probability, filter (T, K) and posteriors (T, K), in the plainest way."""
    with np.errstate(divide="ignore"):
        start, transition = np.log(model.start), np.log(model.transition)
    density = model.emission.log_likelihood(x)
    forward, backward = np.full(density.shape, -np.inf), np.zeros(density.shape)
    norms = np.zeros(len(x))
    for t in range(len(x)):
        before = start if t == 0 else np.logaddexp.reduce(forward[t - 1][:, None] + transition, 0)
        forward[t] = before + density[t]
        norms[t] = np.logaddexp.reduce(forward[t])
        if norms[t] == -np.inf:
            return -np.inf, forward, forward
        forward[t] -= norms[
            t
        ]  # without this, sums of large numbers would be less accurate than what is tested
    for t in range(len(x) - 2, -1, -1):
        backward[t] = np.logaddexp.reduce(transition + (density[t + 1] - norms[t + 1]) + backward[t + 1], 1)
    total = math.fsum(norms)
    filtered = np.exp(forward)
    both = forward + backward
    return total, filtered, np.exp(both - np.logaddexp.reduce(both, 1, keepdims=True))


def agrees(model: HMM, x: np.ndarray) -> None:
    total, filtered, posteriors = log_space(model, x)
    if not np.isfinite(total):
        assert model.log_prob(x)[0] == -np.inf
        with pytest.raises(SeqgenError, match="probability 0"):
            model.smooth(x)
        return
    np.testing.assert_allclose(model.log_prob(x)[0], total, atol=1e-9 * len(x), rtol=1e-12)
    np.testing.assert_allclose(model.filter(x), filtered, atol=1e-9, rtol=0)
    np.testing.assert_allclose(model.smooth(x), posteriors, atol=1e-9, rtol=0)
    np.testing.assert_allclose(model.predict(x).states[0], filtered[-1] @ model.transition, atol=1e-9, rtol=0)
    _, best = model.viterbi(x)
    assert best <= total + 1e-9 * len(x) + 1e-12 * abs(total)
    paths = model.sample_posterior(x, 50, seed=1)
    assert (np.take_along_axis(posteriors, paths.T, 1) > 0).all()
    history = HMM(model.start, model.transition, model.emission).fit(x, iterations=3).history
    gains = np.diff(history.log_likelihoods)
    assert np.isfinite(history.log_likelihoods).all()
    assert (gains >= -1e-6 * len(x) * np.abs(history.log_likelihoods[:-1]).max()).all()


def sparse_chain(generator: np.random.Generator, states: int) -> tuple[np.ndarray, np.ndarray]:
    """Left to right, with random holes, or with tiny transitions."""
    kind = generator.integers(4)
    matrix = generator.dirichlet(np.ones(states), states)
    if kind == 0:
        matrix = np.diag(np.full(states, 0.9)) + np.diag(np.full(states - 1, 0.1), 1)
    elif kind == 1:
        matrix *= generator.random((states, states)) < 0.5
    elif kind == 2:
        matrix = np.where(generator.random((states, states)) < 0.5, 1e-200, matrix)
    matrix[matrix.sum(1) < 1e-100, -1] = 1.0
    matrix[-1, -1] += 1e-3
    start = np.eye(states)[0] if generator.random() < 0.5 else generator.dirichlet(np.ones(states))
    return start / start.sum(), matrix / matrix.sum(1, keepdims=True)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_inference_is_that_in_logarithms(seed):
    generator = np.random.default_rng(seed)
    states = int(generator.integers(2, 10))
    start, transition = sparse_chain(generator, states)
    steps = int(generator.integers(1, 30))
    kind = generator.integers(3)
    if kind == 0:
        scale = 10.0 ** generator.uniform(-1, 2)
        emission = Gaussian(
            scale * np.arange(states)[:, None], np.full((states, 1), 10.0 ** generator.uniform(-3, 0))
        )
        x = scale * generator.integers(0, states, (steps, 1)) + generator.normal(size=(steps, 1))
        x[generator.integers(0, steps)] += 10.0 ** generator.uniform(0, 3)
    elif kind == 1:
        matrix = generator.dirichlet(np.full(4, 0.3), states) * (generator.random((states, 4)) < 0.8)
        matrix[:, 0] += 1e-3
        emission = Categorical(matrix / matrix.sum(1, keepdims=True))
        x = generator.integers(0, 4, steps)
    else:
        emission = Poisson(10.0 ** generator.uniform(-3, 3, states))
        x = generator.poisson(10.0 ** generator.uniform(0, 3), steps)
    agrees(HMM(start, transition, emission), x)


def test_a_state_that_underflows_and_matters_later_is_not_lost():
    model = HMM([1, 0], [[0.5, 0.5], [0, 1]], Gaussian([[0.0], [10.0]], [[0.05], [0.05]]))
    x = np.array([[0.0], [10.0], [3.0], [3.0], [3.0]])
    assert model.log_prob(x)[0] == pytest.approx(-1269.8779507043782, abs=1e-9)
    np.testing.assert_allclose(model.smooth(x)[-1], [1.0, 1.107e-86], rtol=1e-3)
    agrees(model, x)


def test_a_state_that_cannot_be_reached_does_not_count_however_well_it_fits():
    model = HMM([1, 0], np.eye(2), Categorical([[0.5, 0.5], [0.9, 0.1]]))
    x = np.zeros(2000, np.int64)
    assert model.log_prob(x)[0] == pytest.approx(2000 * np.log(0.5), abs=1e-9)
    np.testing.assert_array_equal(model.smooth(x), np.tile([1.0, 0.0], (2000, 1)))
    model.fit(x)
    assert model.history.log_likelihoods[-1] == pytest.approx(0.0, abs=1e-6)


def test_sequences_with_an_outlier_score_at_least_their_best_path():
    generator = np.random.default_rng(0)
    states = 5
    transition = np.diag(np.full(states, 0.8)) + np.diag(np.full(states - 1, 0.2), 1)
    transition[-1, -1] = 1.0
    model = HMM(
        np.eye(states)[0], transition, Gaussian(np.arange(states)[:, None] * 4.0, np.full((states, 1), 0.05))
    )
    for _ in range(100):
        x = np.repeat(np.arange(states) * 4.0, generator.integers(1, 6, states))[:, None]
        x = x + generator.normal(0, 0.2, x.shape)
        x[generator.integers(len(x))] += generator.choice([-30.0, 30.0])
        agrees(model, x)


def in_logarithms(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the sequences that are computed in logarithms."""
    count: list[int] = []
    for name in ("_log_filtered", "_log_expectation"):
        own = getattr(inference, name)
        monkeypatch.setattr(inference, name, lambda *given, own=own: count.append(1) or own(*given))
    return count


@pytest.mark.parametrize("least", [1e-3, 0.0, 1e-60, 1e-200])
def test_ordinary_data_keep_the_fast_way_whatever_the_transitions(monkeypatch, least):
    """A fit to well-separated clusters leaves tiny transitions and zeros, which must not make it slow."""
    generator = np.random.default_rng(1)
    transition = generator.dirichlet(np.ones(6), 6)
    transition[0, 1], transition[3, 5], transition[4, 0] = least, least, least
    transition /= transition.sum(1, keepdims=True)
    model = HMM(np.full(6, 1 / 6), transition, Gaussian(10.0 * np.arange(6)[:, None], np.ones((6, 1))))
    x = model.sample(1, 300, seed=2)[0]
    count = in_logarithms(monkeypatch)
    agrees(model, x)
    assert not count


def test_a_fit_that_ends_in_tiny_transitions_keeps_the_fast_way(monkeypatch):
    cycle = 0.9 * np.eye(5) + 0.1 * np.roll(np.eye(5), 1, 1)
    truth = HMM(np.full(5, 0.2), cycle, Gaussian(8.0 * np.arange(5)[:, None], np.ones((5, 1))))
    x = truth.sample(1, 2000, seed=3)[0]
    count = in_logarithms(monkeypatch)
    model = HMM.initialise(5, x, emission="gaussian", seed=1).fit(x, iterations=4, tolerance=0.0)
    assert model.transition.min() < 1e-50
    model.log_prob(x)
    model.smooth(x)
    assert not count
