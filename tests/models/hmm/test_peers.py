"""HMMs compared with hmmlearn: scores, Viterbi paths, posteriors and one step of EM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import seqgen
from tests.models.hmm.examples import hmm

hmmlearn = pytest.importorskip("hmmlearn.hmm")

KINDS = ("categorical", "poisson-vectors", "gaussian-diag", "gaussian-full", "gaussian-spherical")


def peer_of(model: seqgen.HMM) -> Any:
    """Return hmmlearn's model with the same parameters, set to one iteration without priors."""
    emission, options = model.emission, {"init_params": "", "n_iter": 1, "tol": 0.0}
    if isinstance(emission, seqgen.Categorical):
        peer = hmmlearn.CategoricalHMM(model.states, **options)
        peer.emissionprob_, peer.n_features = emission.probabilities.copy(), emission.size
    elif isinstance(emission, seqgen.Poisson):
        peer = hmmlearn.PoissonHMM(model.states, **options)
        peer.lambdas_, peer.n_features = emission.rates.copy(), emission.dimensions
    else:
        peer = hmmlearn.GaussianHMM(
            model.states, emission.covariance_type, covars_prior=0.0, min_covar=0.0, **options
        )
        peer.n_features = emission.dimensions
        peer.means_, peer.covars_ = emission.means.copy(), emission.covariances.copy()
    peer.startprob_, peer.transmat_ = model.start.copy(), model.transition.copy()
    return peer


def columns(x: np.ndarray) -> np.ndarray:
    return x[:, None] if x.ndim == 1 else x


def joint(model: seqgen.HMM, x: np.ndarray, path: np.ndarray) -> float:
    """Return log p(x, z)."""
    density = model.emission.log_likelihood(x)[np.arange(len(x)), path]
    walked = np.log(model.transition[path[:-1], path[1:]])
    return float(np.log(model.start[path[0]]) + walked.sum() + density.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_same_as_hmmlearn(kind):
    model = hmm(kind, states=4)
    rows = [model.sample(1, length, seed=length)[0] for length in (200, 1, 73)]
    peer, lengths = peer_of(model), [len(row) for row in rows]
    joined = columns(np.concatenate(rows))
    assert model.score(rows) == pytest.approx(peer.score(joined, lengths), rel=1e-12)
    path, log_prob = model.viterbi(rows[0])
    peer_log_prob, peer_path = peer.decode(columns(rows[0]))
    assert log_prob == pytest.approx(peer_log_prob, rel=1e-12)
    # of equally likely paths, the two may choose different ones
    for candidate in (path, peer_path):
        assert joint(model, rows[0], candidate) == pytest.approx(log_prob, rel=1e-12)
    assert np.mean(path == peer_path) > 0.9
    assert model.predict_proba(rows[0]) == pytest.approx(peer.predict_proba(columns(rows[0])), abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_same_em_step_as_hmmlearn(kind):
    model = hmm(kind, states=4)
    rows = [model.sample(1, length, seed=length)[0] for length in (200, 20, 73)]
    peer = peer_of(model)
    peer.fit(columns(np.concatenate(rows)), [len(row) for row in rows])
    model.fit(rows, iterations=1, regularisation=0.0)
    assert model.start == pytest.approx(peer.startprob_, abs=1e-9)
    assert model.transition == pytest.approx(peer.transmat_, abs=1e-9)
    for name, peers in (("probabilities", "emissionprob_"), ("rates", "lambdas_"), ("means", "means_")):
        if hasattr(model.emission, name):
            assert getattr(model.emission, name) == pytest.approx(getattr(peer, peers), abs=1e-9)
    if isinstance(model.emission, seqgen.Gaussian) and model.emission.covariance_type == "diag":
        assert model.emission.covariances == pytest.approx(peer._covars_, abs=1e-9)


def test_stationary_distribution_is_hmmlearns():
    model = hmm("categorical", states=5)
    assert model.stationary() == pytest.approx(peer_of(model).get_stationary_distribution())
