"""Refusals of HMMs, with messages that say what would be right."""

from __future__ import annotations

import numpy as np
import pytest

import seqgen
from seqgen import HMM, Categorical, Gaussian, GaussianMixture, Poisson
from seqgen.errors import SeqgenError
from tests.models.hmm.examples import hmm

FLAT = seqgen.Categorical([[0.5, 0.5], [0.1, 0.9]])
HALVES = [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: seqgen.HMM([0.5, 0.6], HALVES, FLAT), "start sums to 1.1, it must sum to 1"),
        (lambda: seqgen.HMM([0.5, np.nan], HALVES, FLAT), r"start must be finite, got nan at \[1\]"),
        (lambda: seqgen.HMM([1.0], HALVES, FLAT), r"start must have the shape \(2,\), got \(1,\)"),
        (lambda: seqgen.HMM([1, 0], [[1, 0], [0.5, 0.4]], FLAT), "row 1 of transition sums to 0.9, it must"),
        (lambda: seqgen.HMM([1, 0], [[1, 0], [1.5, -0.5]], FLAT), r"transition must not be negative, got -0.5"),
        (lambda: seqgen.HMM([1, 0], [[1, 0]], FLAT), r"transition must have the shape \(2, 2\), got \(1, 2\)"),
        (lambda: seqgen.HMM([1, 0], HALVES, "flat"), "emission must be a seqgen emission"),
        (
            lambda: seqgen.HMM([1.0], [[1.0]], seqgen.GaussianMixture([1.0], [[0.0]], [[1.0]])),
            r"a mixture as the emission of an HMM needs weights \(K, M\)",
        ),
        (
            lambda: seqgen.HMM([1, 0], HALVES, FLAT, codec=seqgen.Characters("abc")),
            "codec must have 2 symbols, as the emission has; got 3",
        ),
        (
            lambda: seqgen.HMM([1.0], [[1.0]], seqgen.Gaussian([[0.0]], [[1.0]]), codec=seqgen.Vectors()),
            "codec must be of vectors of 1 dimensions, as the emission has; got .*'dimensions': 0",
        ),
    ],
)  # fmt: skip
def test_bad_parameters(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


METHODS = ("log_prob", "viterbi", "filter", "smooth", "predict", "sample_posterior", "fit", "score", "bic")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("kind", "x", "message"),
    [
        ("gaussian-diag", np.array([[0.0, np.nan]]), "observations must be finite, got nan at position 0, dimension 1"),
        ("gaussian-diag", np.zeros((4, 3)), r"observations must have the shape \(T, 2\), got \(4, 3\)"),
        ("gaussian-diag", np.zeros((0, 2)), "x must hold at least one observation"),
        ("categorical", np.array([0, 9]), "symbols must be between 0 and 4, got 9"),
        ("poisson", np.array([-3]), "observations must be counts of at least 0, got -3"),
    ],
)  # fmt: skip
def test_bad_observations(method, kind, x, message):
    with pytest.raises(ValueError, match=message):
        getattr(hmm(kind), method)(x)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"condition": {"state": 3}}, ValueError, r'condition\["state"\] must be between 0 and 2, got 3'),
        ({"condition": {"state": 0.5}}, TypeError, r'condition\["state"\] must be an integer'),
        ({"condition": 1}, TypeError, 'condition must be {"state": k}, got 1'),
        ({"condition": {"state": 1}, "prompt": np.array([0])}, SeqgenError, "a prompt or a condition, not both"),
        ({"prompt": np.array([7])}, ValueError, "prompt: symbols must be between 0 and 4, got 7"),
        ({"controls": {"allowed": [7]}}, ValueError, "allowed: symbols must be between 0 and 4, got 7"),
        ({"precision": "bfloat16"}, ValueError, "precision must be one of 'auto', 'float64'"),
        ({"engine": "triton"}, SeqgenError, "engine 'triton' cannot run the family 'hmm'; it has numba, torch"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_bad_requests(engine, arguments, error, message):
    with pytest.raises(error, match=message):
        next(hmm("categorical").stream(**{"engine": engine, "length": 3, **arguments}))


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("penalty", [None, 2.0])
def test_controls_that_leave_a_state_without_a_symbol(engine, penalty):
    model = seqgen.HMM([0.5, 0.5], HALVES, seqgen.Categorical([[0.5, 0.5], [0.0, 1.0]]))
    with pytest.raises(SeqgenError, match="state 1: the controls leave no symbol to draw"):
        next(model.stream(length=3, engine=engine, controls={"allowed": [0], "repetition_penalty": penalty}))


@pytest.mark.parametrize("kind", ["poisson", "gaussian-diag", "mixture-diag"])
def test_controls_act_on_symbols_only(kind):
    with pytest.raises(SeqgenError, match="the controls temperature cannot act on this model"):
        hmm(kind).stream(length=3, controls={"temperature": 0.5})


def test_samples_need_an_end():
    with pytest.raises(ValueError, match="length must be given: the samples of an HMM are endless"):
        hmm("categorical").sample(2)
    with pytest.raises(ValueError, match="length must be given"):
        hmm("categorical").sample(2, controls={"temperature": 2.0})


def test_other_arguments():
    model = hmm("poisson")
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        model.predict(np.array([1]), steps=0)
    with pytest.raises(ValueError, match="seed must be between 0 and"):
        model.sample_posterior(np.array([1]), seed=-1)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        model.sample_posterior(np.array([1]), n=0)


def test_checkpoint_of_another_family(tmp_path):
    hmm("poisson").save(tmp_path / "m.safetensors")
    with pytest.raises(SeqgenError, match="holds a model of the family 'hmm', not 'gaussian-mixture'"):
        seqgen.GaussianMixture.load(tmp_path / "m.safetensors")
    from seqgen.models.hmm.emissions import emission_from

    with pytest.raises(SeqgenError, match="unknown emission 'beta'; this version knows categorical, poisson"):
        emission_from({"name": "beta"}, {})


@pytest.mark.parametrize("fitted", [False, True])
def test_parameters_cannot_be_changed_behind_the_checks(fitted):
    model = HMM([0.5, 0.5], [[0.5, 0.5], [0.1, 0.9]], Gaussian([[0.0], [1.0]], [[1.0], [2.0]]))
    if fitted:
        model.fit(np.random.default_rng(0).normal(size=(40, 1)), iterations=3)
    means = np.zeros((2, 1))
    own = Gaussian(means, [[1.0], [2.0]])
    means[0] = np.nan  # what was given is copied
    assert np.isfinite(own.means).all()
    emission = model.emission
    for array in (
        model.start,
        model.transition,
        emission.means,
        emission.covariances,
        *model.arrays().values(),
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = -1.0
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [1.0]], [[1.0], [2.0]])
    for array in (mixture.mixing, mixture.means, mixture.covariances, Categorical([[1.0]]).probabilities):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = -1.0
    with pytest.raises(ValueError, match="read-only"):
        Poisson([1.0, 2.0]).rates[0] = -1.0
