"""Gaussian mixtures as models of their own: against sklearn and scipy, sampling, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seqgen import GaussianMixture
from seqgen.errors import SeqgenError

sklearn = pytest.importorskip("sklearn.mixture")

TYPES = ("diag", "full", "spherical")


def mixture(covariance_type: str = "full") -> GaussianMixture:
    r = np.random.default_rng(1)
    spread = r.normal(size=(3, 2, 2))
    covariances = {
        "diag": r.gamma(2.0, 0.5, (3, 2)),
        "spherical": r.gamma(2.0, 0.5, 3),
        "full": spread @ spread.swapaxes(1, 2) + 0.2 * np.eye(2),
    }[covariance_type]
    return GaussianMixture([0.2, 0.5, 0.3], 2.0 * r.normal(size=(3, 2)), covariances, covariance_type)


def peer_of(model: GaussianMixture, **arguments) -> sklearn.GaussianMixture:
    """Return sklearn's model with the same parameters."""
    precisions = (
        np.linalg.inv(model.covariances) if model.covariance_type == "full" else 1.0 / model.covariances
    )
    return sklearn.GaussianMixture(
        len(model.mixing), covariance_type=model.covariance_type, reg_covar=0.0, tol=0.0,
        weights_init=model.mixing, means_init=model.means, precisions_init=precisions, **arguments,
    )  # fmt: skip


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_em_is_sklearns(covariance_type):
    x = mixture().sample(1, 400, seed=2)[0]
    model = mixture(covariance_type)
    peer = peer_of(model, max_iter=7).fit(x)
    model.fit(x, iterations=7, tolerance=0.0, regularisation=0.0)
    assert model.mixing == pytest.approx(peer.weights_, abs=1e-9)
    assert model.means == pytest.approx(peer.means_, abs=1e-9)
    assert model.covariances == pytest.approx(peer.covariances_, abs=1e-9)
    assert model.score_samples(x) == pytest.approx(peer.score_samples(x), abs=1e-9)
    assert model.posterior(x) == pytest.approx(peer.predict_proba(x), abs=1e-9)
    assert model.aic(x) == pytest.approx(peer.aic(x))
    assert model.bic([x[:100], x[100:]]) == pytest.approx(peer.bic(x))
    assert np.all(np.diff(model.history.log_likelihoods) > -1e-9)


def test_initialise_finds_the_clusters():
    x = mixture().sample(1, 3000, seed=5)[0]
    model = GaussianMixture.initialise(3, x, covariance_type="full", seed=0).fit(x, iterations=200)
    assert model.history.converged
    assert model.score_samples(x).mean() > mixture().score_samples(x).mean() - 0.01


def test_sequences_are_independent_draws():
    model = mixture("diag")
    x = model.sample(3, 5, seed=1)
    assert x.shape == (3, 5, 2)
    assert model.log_prob(x) == pytest.approx(model.score_samples(x.reshape(-1, 2)).reshape(3, 5).sum(1))
    assert model.log_prob(x[0]).shape == (1,)


def test_samples_come_from_the_mixture():
    model = mixture("full")
    with model.stream(1, 40_000, chunk=5000, seed=4, log_probs=True) as stream:
        chunks = list(stream)
    x = np.concatenate([chunk.data for chunk in chunks])
    components = np.concatenate([chunk.extra["components"] for chunk in chunks])
    assert "states" not in chunks[0].extra
    log_prob = np.concatenate([chunk.extra["log_prob"] for chunk in chunks])
    assert log_prob == pytest.approx(model.score_samples(x), abs=1e-12)
    assert stats.chisquare(np.bincount(components), 40_000 * model.mixing).pvalue > 1e-4
    for m in range(3):
        z = np.linalg.solve(np.linalg.cholesky(model.covariances[m]), (x[components == m] - model.means[m]).T)
        assert stats.kstest(z[0], "norm").pvalue > 1e-4
        assert stats.kstest(z[1], "norm").pvalue > 1e-4
        assert abs(np.corrcoef(z)[0, 1]) < 0.05


def test_saved_is_loaded(tmp_path):
    model = mixture("spherical")
    model.save(tmp_path / "m.safetensors")
    again = GaussianMixture.load(tmp_path / "m.safetensors")
    assert np.array_equal(again.sample(1, 10, seed=3), model.sample(1, 10, seed=3))
    model.save(tmp_path / "rough.safetensors", precision="bfloat16")
    assert GaussianMixture.load(tmp_path / "rough.safetensors").mixing == pytest.approx(
        model.mixing, abs=0.005
    )


def test_an_emission_is_no_model():
    emission = GaussianMixture([[0.5, 0.5]], [[[0.0], [1.0]]], [[[1.0], [1.0]]])
    for use in (
        lambda: emission.fit([[0.0]]),
        lambda: emission.log_prob([[0.0]]),
        lambda: emission.sample(1, 3),
        lambda: emission.score_samples([[0.0]]),
    ):
        with pytest.raises(
            SeqgenError, match=r"weights of the shape \(1, 2\) make this an emission of an HMM"
        ):
            use()
    assert emission.posterior([[0.5]])[0, 0] == pytest.approx([0.5, 0.5])


def test_bad_use():
    model = mixture()
    with pytest.raises(
        ValueError, match="length must be given: the samples of a gaussian-mixture model are endless"
    ):
        model.sample(2)
    with pytest.raises(SeqgenError, match="takes no condition"):
        next(model.stream(length=2, condition={"state": 0}))
    with pytest.raises(ValueError, match="observations must be finite, got nan at position 1, dimension 0"):
        model.fit(np.array([[0.0, 1.0], [np.nan, 0.0]]))
    with pytest.raises(ValueError, match=r"points must have the shape \(T, D\), got \(3,\)"):
        model.fit(np.zeros(3))
    with pytest.raises(SeqgenError, match="cannot act on this model"):
        model.stream(length=2, controls={"temperature": 0.5})
