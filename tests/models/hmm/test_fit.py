"""Fitting HMMs: EM increases the likelihood, keeps the structure, and finds the true parameters; initial values."""

from __future__ import annotations

import numpy as np
import pytest

import seqgen
from seqgen.models.hmm.kmeans import assignments
from tests.models.hmm.examples import KINDS, hmm, left_to_right


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_never_falls(kind):
    true = hmm(kind)
    rows = [true.sample(1, length, seed=length)[0] for length in (120, 60)]
    seen: list[tuple[int, float]] = []
    model = hmm(kind, seed=7).fit(
        rows, iterations=15, tolerance=0.0, regularisation=0.0, progress=lambda *step: seen.append(step)
    )
    values = np.array(model.history.log_likelihoods)
    assert np.all(np.diff(values) > -1e-9 * np.abs(values[1:]))
    assert seen == list(enumerate(model.history.log_likelihoods))
    assert model.score(rows) >= values[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_initialise_and_fit_find_a_good_model(kind):
    true = hmm(kind, states=2)
    x = true.sample(1, 1500, seed=1)[0]
    name = "gaussian-mixture" if kind.startswith("mixture") else kind.partition("-")[0]
    options = (
        {"covariance_type": true.emission.covariance_type} if "covariance_type" in vars(true.emission) else {}
    )
    if name == "gaussian-mixture":
        options["components"] = 3
    model = seqgen.HMM.initialise(2, x, emission=name, seed=3, **options)
    again = seqgen.HMM.initialise(2, x, emission=name, seed=3, **options)
    assert all(np.array_equal(again.arrays()[k], v) for k, v in model.arrays().items())
    model.fit(x, iterations=60, tolerance=1e-5)
    held_out = true.sample(1, 1500, seed=2)[0]
    assert model.score(held_out) > true.score(held_out) - 0.03 * 1500


def test_convergence():
    x = hmm("gaussian-diag").sample(1, 300)[0]
    model = hmm("gaussian-diag").fit(x, iterations=500, tolerance=1e-5)
    assert model.history.converged
    first, last = model.history.log_likelihoods[-2:]
    assert last - first < 1e-5 * 300
    assert not hmm("gaussian-diag", seed=5).fit(x, iterations=2, tolerance=0).history.converged


def test_zero_transitions_stay_zero():
    true = left_to_right(4)
    rows = list(true.sample(40, 20, seed=4))
    model = seqgen.HMM.initialise(4, rows, emission="categorical", structure="left-to-right", symbols=5)
    structure = model.transition > 0
    assert structure.sum() == 7
    model.fit(rows, iterations=20, smoothing=0.1)
    assert np.array_equal(model.transition > 0, structure)
    assert model.start.tolist() == [1, 0, 0, 0]
    assert model.free_parameters() == 3 + 4 * 4
    assert model.score(rows) > left_to_right(4, seed=1).score(rows)


def test_params_chooses_what_is_learnt():
    x = hmm("categorical").sample(1, 100)[0]
    for letter, name in (("s", "start"), ("t", "transition"), ("e", "emission.probabilities")):
        model = hmm("categorical", seed=3)
        before = {k: v.copy() for k, v in model.arrays().items()}
        model.fit(x, iterations=2, params=letter)
        changed = {k for k, v in model.arrays().items() if not np.array_equal(v, before[k])}
        assert changed == {name}
    with pytest.raises(ValueError, match="params must be made of the letters"):
        model.fit(x, params="stx")


def test_smoothing_leaves_no_symbol_impossible():
    model = hmm("categorical").fit(np.zeros(30, int), iterations=3, smoothing=0.5)
    assert model.emission.probabilities.min() > 0


def test_without_regularisation_a_variance_may_become_zero():
    x = np.repeat([[0.0], [1.0]], 20, axis=0)
    model = seqgen.HMM.initialise(2, x, emission="gaussian")
    with pytest.raises(
        ValueError, match=r"singular covariances: state . has the variance .*raise regularisation"
    ):
        model.fit(x, regularisation=0.0)
    assert model.fit(x).emission.covariances.min() > 0


def test_kmeans_finds_separate_clusters():
    r = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 25)
    x = 50.0 * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])[truth] + r.normal(size=(100, 2))
    labels = assignments(x, 4, seed=1)
    assert len({(a, b) for a, b in zip(truth, labels, strict=True)}) == 4
    assert set(assignments(np.array([[0.0], [0.0], [0.0], [1.0], [2.0]]), 3, seed=0)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"states": 0}, "states must be at least 1, got 0"),
        (
            {"emission": "normal"},
            "emission must be one of 'categorical', 'poisson', 'gaussian', 'gaussian-mixture'",
        ),
        ({"structure": "ring"}, "structure must be one of 'dense', 'left-to-right', got 'ring'"),
        (
            {"data": [np.zeros((3, 1)), np.zeros((0, 1))]},
            "data must hold at least one observation in every sequence",
        ),
        ({"data": np.zeros(5)}, r"data must have the shape \(T, D\), got \(5,\)"),
        ({"data": np.array([[0.0], [np.nan]])}, "observations must be finite, got nan"),
    ],
)
def test_bad_starting_points(arguments, message):
    given = {"states": 2, "data": np.arange(10.0)[:, None], "emission": "gaussian", **arguments}
    with pytest.raises(ValueError, match=message):
        seqgen.HMM.initialise(given.pop("states"), given.pop("data"), **given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"tolerance": -1.0}, "tolerance must be >=0.0, got -1.0"),
        ({"smoothing": np.nan}, "smoothing must be >=0.0, got nan"),
        ({"regularisation": "much"}, "regularisation must be a number, got 'much'"),
    ],
)
def test_bad_fit_arguments(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        hmm("categorical").fit(np.array([0, 1]), **arguments)
