"""Inference in HMMs against enumeration of all hidden paths, and where plain probabilities underflow."""

from __future__ import annotations

import numpy as np
import pytest

import seqgen
from seqgen.errors import SeqgenError
from seqgen.models.hmm import inference as hmm_inference
from seqgen.models.hmm.emission import Likelihood
from tests.models.hmm.examples import KINDS, BruteForce, hmm, left_to_right


def observations(model: seqgen.HMM, length: int, seed: int = 5) -> np.ndarray:
    return model.sample(1, length, seed=seed)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_inference_is_that_of_all_paths(kind):
    model = hmm(kind)
    x = observations(model, 6)
    exact = BruteForce.of(model, x)
    assert model.log_prob(x) == pytest.approx([exact.log_prob], abs=1e-10)
    path, log_prob = model.viterbi(x)
    assert path.tolist() == exact.best[0].tolist()
    assert log_prob == pytest.approx(exact.best[1], abs=1e-10)
    assert model.smooth(x) == pytest.approx(exact.smoothed(3), abs=1e-10)
    for t in range(1, 7):
        assert model.filter(x)[t - 1] == pytest.approx(BruteForce.of(model, x[:t]).smoothed(3)[-1], abs=1e-10)


def test_rows_of_transition_are_from_and_columns_to():
    """The lecture (Petzka, lecture 10) has A_ij = p(i | j): the transpose of what HMM takes."""
    seeds = np.array([[0.9, 0.5], [0.1, 0.5]])  # columns sum to one
    model = seqgen.HMM([1.0, 0.0], seeds.T, seqgen.Categorical(np.eye(2)))
    assert model.log_prob(np.array([0, 1])) == pytest.approx([np.log(0.1)])
    with pytest.raises(ValueError, match=r"row 0 of transition sums to 1.4, it must sum to 1"):
        seqgen.HMM([1.0, 0.0], seeds, seqgen.Categorical(np.eye(2)))


def test_posterior_paths_have_their_probabilities():
    model = hmm("categorical")
    x = observations(model, 4)
    exact = BruteForce.of(model, x)
    paths = model.sample_posterior(x, n=20_000, seed=3)
    found = np.bincount(paths @ [27, 9, 3, 1], minlength=81)
    expected = 20_000 * exact.joint / exact.joint.sum()
    some = expected > 5
    assert np.sum((found - expected)[some] ** 2 / expected[some]) < 130  # chi-square, 80 degrees, p ~ 1e-4
    assert np.array_equal(paths[7:9], model.sample_posterior(x, n=9, seed=3)[7:])


def test_posterior_paths_keep_to_the_structure():
    model = left_to_right(3)
    x = observations(model, 12)
    assert set(np.diff(model.sample_posterior(x, n=500, seed=1), axis=1).ravel().tolist()) <= {0, 1}


def test_predict_goes_on_from_the_filter():
    model = hmm("gaussian-diag")
    x = observations(model, 30)
    ahead = model.predict(x, steps=3)
    state = model.filter(x)[-1] @ np.linalg.matrix_power(model.transition, 3)
    assert ahead.states[2] == pytest.approx(state)
    assert ahead.means[2] == pytest.approx(state @ model.emission.means)
    symbols = hmm("categorical")
    assert symbols.predict(np.array([1, 2]), 2).means.sum(-1) == pytest.approx([1.0, 1.0])


def test_scores_of_many_sequences():
    model = hmm("poisson")
    rows = [observations(model, n, seed=n) for n in (1, 4, 9)]
    assert model.log_prob(rows).tolist() == [model.log_prob(row)[0] for row in rows]
    assert model.score(rows) == pytest.approx(model.log_prob(rows).sum())
    parameters = 2 + 6 + 3
    assert model.free_parameters() == parameters
    assert model.aic(rows) == pytest.approx(2 * parameters - 2 * model.score(rows))
    assert model.bic(rows) == pytest.approx(np.log(14) * parameters - 2 * model.score(rows))


def test_long_sequences_are_done_in_blocks(monkeypatch):
    model = hmm("categorical")
    x = observations(model, 300)
    whole, states = model.log_prob(x), model.filter(x)
    monkeypatch.setattr(hmm_inference, "BLOCK", 7)
    assert model.log_prob(x) == pytest.approx(whole, rel=1e-13)
    assert model.filter(x) == pytest.approx(states, abs=1e-13)


def test_stationary():
    model = hmm("poisson", states=4)
    assert model.stationary() @ model.transition == pytest.approx(model.stationary())
    assert left_to_right(3).stationary() == pytest.approx([0, 0, 1])
    with pytest.raises(SeqgenError, match="several stationary distributions"):
        seqgen.HMM([1, 0], np.eye(2), seqgen.Poisson([1, 2])).stationary()


# ---- densities that underflow -------------------------------------------------------------------------


def far_apart(transition=None) -> seqgen.HMM:
    """Return three states whose densities differ by far more than float64 can represent."""
    transition = np.full((3, 3), 1 / 3) if transition is None else transition
    start = np.array([1.0, 0.0, 0.0]) if transition[1, 0] == 0 else np.full(3, 1 / 3)
    return seqgen.HMM(start, transition, seqgen.Gaussian([[0.0], [500.0], [1000.0]], np.ones((3, 1))))


def in_logarithms(model: seqgen.HMM, x: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        log_transition, log_density = np.log(model.transition), model.emission.log_likelihood(x)
        state = np.log(model.start) + log_density[0]
    for density in log_density[1:]:
        state = np.logaddexp.reduce(state[:, None] + log_transition, 0) + density
    return float(np.logaddexp.reduce(state))


def test_tiny_densities_in_all_states():
    model = far_apart()
    x = np.array([[0.0], [300.0], [-4000.0], [1000.0]])
    assert model.log_prob(x) == pytest.approx([in_logarithms(model, x)], rel=1e-12)
    assert np.isfinite(model.smooth(x)).all()


def test_a_path_that_is_needed_after_it_underflowed():
    """The observation 1 almost excludes state 1, through which alone state 2 is reached."""
    chain = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    model = far_apart(chain)
    x = np.array([[0.0], [1.0], [1000.0], [1000.0]])
    assert model.log_prob(x) == pytest.approx([in_logarithms(model, x)], rel=1e-12)
    assert model.viterbi(x)[0].tolist() == [0, 1, 2, 2]
    assert model.smooth(x).argmax(1).tolist() == [0, 1, 2, 2]
    assert model.filter(x).argmax(1).tolist() == [0, 0, 2, 2]
    assert set(map(tuple, model.sample_posterior(x, n=20).tolist())) == {(0, 1, 2, 2)}
    # EM over this sequence and an ordinary one together
    rows = [x, np.array([[0.0], [500.0], [500.0], [1000.0]])]
    fitted = seqgen.HMM(model.start, chain, model.emission).fit(rows, iterations=1)
    assert fitted.history.log_likelihoods[0] == pytest.approx(model.score(rows), rel=1e-12)


def test_logarithms_and_probabilities_agree():
    model = hmm("categorical")
    x = observations(model, 40)
    chain, density = model._chain, model.emission.likelihood(x)
    fast = hmm_inference.expectation(chain, density, np.array([0, 40]))
    posteriors, pairs = np.empty((40, 3)), np.zeros((3, 3))
    total = hmm_inference._log_expectation(chain, density.log[density.rows], posteriors, pairs)
    assert total == pytest.approx(fast.log_prob[0])
    assert posteriors == pytest.approx(fast.posteriors, abs=1e-12)
    assert pairs == pytest.approx(fast.pairs, abs=1e-11)
    assert isinstance(density, Likelihood)


def test_impossible_observations_say_where():
    model = seqgen.HMM([0.5, 0.5], np.eye(2), seqgen.Categorical([[1, 0, 0], [0.5, 0.5, 0]]))
    x = np.array([0, 1, 2, 0])
    assert model.log_prob([x, x[:2]])[0] == -np.inf
    assert np.isfinite(model.log_prob([x, x[:2]])[1])
    for method in (model.viterbi, model.filter, model.smooth, model.sample_posterior):
        with pytest.raises(
            SeqgenError, match=r"x has probability 0 under the model: .* allows observation 2"
        ):
            method(x)
    with pytest.raises(SeqgenError, match="x has probability 0"):
        model.predict(x)
    with pytest.raises(SeqgenError, match="prompt has probability 0"):
        next(model.stream(length=3, prompt=x))
    with pytest.raises(SeqgenError, match="an observation has probability 0 under the model"):
        model.fit([x])
