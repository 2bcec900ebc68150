"""Gaussian mixtures, as an emission of HMMs and as a model of independent vectors.

p(x) = sum_m w_m N(x; mu_m, Sigma_m) (Zhou, lecture 22); fitted by EM (Dempster, Laird and Rubin 1977).
Legend: K states, M components, T observations, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from seqgen import checks
from seqgen.checkpoint import Weights
from seqgen.codecs import Codec, Vectors
from seqgen.errors import SeqgenError, integer
from seqgen.generator import Generator
from seqgen.models.hmm.em import FitHistory, FitOptions, Progress, expectation_maximization
from seqgen.models.hmm.emission import Emission, kept_where_empty
from seqgen.models.hmm.gaussian import (
    Gaussian,
    covariance_parameters,
    covariances_and_factors,
    finite_vectors,
    log_density,
)
from seqgen.models.hmm.kmeans import assignments


class GaussianMixture(Emission, Generator):
    """A mixture of Gaussians.

    With weights (M,) it is a model whose sequences are independent draws; extra["components"] of a chunk holds their
    components. With weights (K, M) it is an emission of an HMM with K states.

    Args:
        weights: (M,) or (K, M); the last axis sums to one. Stored as the attribute `mixing`.
        means: (M, D) or (K, M, D).
        covariances: for "diag" variances of the shape of `means`, for "full" matrices (…, M, D, D), for
            "spherical" one variance per component, of the shape of `weights`; positive definite.
            covariance_type: "diag", "full" or "spherical".

    Example:
        >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [10.0]], [[1.0], [1.0]])
        >>> mixture.posterior([[9.0]]).round(3).tolist()
        [[0.0, 1.0]]
    """

    family: ClassVar[str] = "gaussian-mixture"
    name = "gaussian-mixture"
    discrete = False

    def __init__(self, weights: Any, means: Any, covariances: Any, covariance_type: str = "diag") -> None:
        self.history: FitHistory | None = None
        self.covariance_type = covariance_type
        self._set(weights, means, covariances)

    def _set(self, weights: Any, means: Any, covariances: Any) -> None:
        self.mixing = checks.probabilities("weights", weights, ("M",), ("K", "M"))
        self.means = checks.finite("means", means, (*self.mixing.shape, "D"))
        axes = ("component",) if self.mixing.ndim == 1 else ("state", "component")
        self.covariances, self.factors = covariances_and_factors(
            covariances, self.covariance_type, self.means.shape, axes
        )
        self.dimensions = self.means.shape[-1]
        self.codec = self.default_codec()
        table = np.atleast_2d(self.mixing)
        self.states, self.size = table.shape
        with np.errstate(divide="ignore"):
            self._log_mixing = np.log(table)

    @classmethod
    def initialise(
        cls, components: int, data: Any, *, covariance_type: str = "diag", seed: int = 0
    ) -> GaussianMixture:
        """Initialise a plain mixture from a k-means clustering of `data`, points (T, D) or a list of such arrays."""
        components = integer("components", components, low=1)
        x = _points(data)
        labels = assignments(x, components, seed=seed)
        return cls(*clustered(x, labels, components, covariance_type), covariance_type)

    def fit(
        self,
        data: Any,
        *,
        iterations: int = 100,
        tolerance: float = 1e-6,
        regularisation: float = 1e-6,
        progress: Progress | None = None,
    ) -> Self:
        """Fit a plain mixture by EM from the current parameters; arguments as in `HMM.fit`.

        Returns:
            The mixture itself; `history` has the log-likelihoods.
        """
        self._need_plain("fit")
        x = self.check(_points(data))
        options = FitOptions(iterations=iterations, tolerance=tolerance, regularisation=regularisation)
        ones = np.ones((len(x), 1))

        def expect() -> tuple[float, None]:
            return float(self.score_samples(x).sum()), None

        def maximise(_: None) -> None:
            self._set(*self._estimate(x, ones, regularisation))

        self.history = expectation_maximization(
            expect, maximise, options, observations=len(x), progress=progress
        )
        return self

    # ---- as a model -------------------------------------------------------------------------------------

    def log_prob(self, x: Any) -> np.ndarray:
        """Return the log-probability of B sequences of independent points, (B,) nats; x is (T, D) or (B, T, D)."""
        self._need_plain("log_prob")
        return np.array([self.score_samples(row).sum() for row in self.codec.encode_batch(x)])

    def score_samples(self, x: Any) -> np.ndarray:
        """Return the log-density of each point, (T,) nats."""
        self._need_plain("score_samples")
        return self.log_likelihood(x)[:, 0]

    def posterior(self, x: Any) -> np.ndarray:
        """Return the probability of each component given each point: (T, M), or (T, K, M) for K states."""
        parts = self._parts(self.check(x)) + self._log_mixing
        # where all densities are too small for a float64, the weights are all that is known
        parts = np.where(np.isneginf(parts).all(-1, keepdims=True), self._log_mixing, parts)
        given = np.exp(parts - parts.max(-1, keepdims=True))
        given /= given.sum(-1, keepdims=True)
        return given[:, 0] if self.mixing.ndim == 1 else given

    def aic(self, x: Any) -> float:
        """Return Akaike's information criterion, lower is better; x as in `fit`."""
        return 2.0 * self.free_parameters() - 2.0 * float(self.score_samples(_points(x)).sum())

    def bic(self, x: Any) -> float:
        """Return the Bayesian information criterion, lower is better; x as in `fit`."""
        points = _points(x)
        return float(np.log(len(points))) * self.free_parameters() - 2.0 * float(
            self.score_samples(points).sum()
        )

    @property
    def ends(self) -> bool:
        return False

    def weights(self, card: dict[str, Any] | None = None) -> Weights:
        """Return the model as plain data; the mixture weights are the attribute `mixing`."""
        self._need_plain("stream or save")
        return super().weights(card)

    @classmethod
    def from_weights(cls, weights: Weights) -> Self:
        """Return the model that `weights` describe."""
        arrays = {**weights.arrays, "weights": checks.renormalised(weights.arrays["weights"])}
        return cls(**arrays, covariance_type=weights.config["covariance_type"])

    def _need_plain(self, what: str) -> None:
        if self.mixing.ndim != 1:
            raise SeqgenError(
                f"cannot {what}: weights of the shape {self.mixing.shape} make this an emission of an HMM; "
                "a mixture on its own has weights (M,)"
            )

    # ---- as an emission ---------------------------------------------------------------------------------

    def default_codec(self) -> Codec:
        return Vectors(self.dimensions)

    def check(self, x: Any) -> np.ndarray:
        return finite_vectors(self.codec, x)

    def log_likelihood(self, x: Any) -> np.ndarray:
        from seqgen.models.hmm.numba_densities import mixture_log_density

        parts = self._parts(self.check(x))
        out = np.empty((len(parts), self.states))
        mixture_log_density(parts.reshape(len(parts), -1), self._log_mixing, out)
        return out

    def refit(self, x: Any, posteriors: np.ndarray, *, smoothing: float, regularisation: float) -> Self:
        return type(self)(*self._estimate(self.check(x), posteriors, regularisation), self.covariance_type)

    def expectation(self) -> np.ndarray:
        """Return the mean of the mixture in each state, (K, D)."""
        means = self.means.reshape(self.states, self.size, -1)
        return np.einsum("km,kmd->kd", np.atleast_2d(self.mixing), means)

    def free_parameters(self) -> int:
        rows = self.states * self.size
        return (
            self.states * (self.size - 1)
            + self.means.size
            + covariance_parameters(self.covariance_type, rows, self.dimensions)
        )

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weights": self.mixing, "means": self.means, "covariances": self.covariances}

    def config(self) -> dict[str, Any]:
        own: dict[str, Any] = {"name": self.name, "covariance_type": self.covariance_type}
        return {**own, "codec": self.codec.config()} if self.mixing.ndim == 1 else own

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        return cls(**arrays, covariance_type=config["covariance_type"])

    def components(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weights (K, M), means (K M, D) and factors (K M, D, 1 or D)."""
        return np.atleast_2d(self.mixing), self.means.reshape(-1, self.dimensions), self.factors

    def _parts(self, x: np.ndarray) -> np.ndarray:
        """Return the log-densities of every component, (T, K, M)."""
        flat = log_density(x, self.means.reshape(-1, self.dimensions), self.factors)
        return flat.reshape(len(x), self.states, self.size)

    def _estimate(
        self, x: np.ndarray, posteriors: np.ndarray, regularisation: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Estimate weights, means and covariances from the posteriors (T, K) of the states."""
        given = self.posterior(x).reshape(len(x), self.states, self.size) * posteriors[:, :, None]
        mass = given.sum(0)
        each = mass.sum(-1, keepdims=True)
        mixing = kept_where_empty(
            mass / np.where(each > 0, each, 1.0), np.atleast_2d(self.mixing), each[:, 0]
        )
        rows = len(mass.ravel())
        means, covariances = Gaussian.estimate(
            x,
            given.reshape(len(x), rows),
            self.covariance_type,
            regularisation=regularisation,
            empty=(
                self.means.reshape(rows, -1),
                self.covariances.reshape(rows, *self.covariances.shape[self.mixing.ndim :]),
            ),
        )
        return (
            mixing.reshape(self.mixing.shape),
            means.reshape(self.means.shape),
            covariances.reshape(self.covariances.shape),
        )


def clustered(
    x: np.ndarray, labels: np.ndarray, clusters: int, covariance_type: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights (M,), means (M, D) and covariances of labelled points (T, D).

    A hundredth of the variance of all points is added to every variance, so that a cluster of one point is valid. A
    cluster without points has the mean and covariance of all.
    """
    given = (labels[:, None] == np.arange(clusters)).astype(np.float64)
    every, nothing = np.ones((len(x), 1)), (np.zeros(()), np.zeros(()))
    whole = Gaussian.estimate(x, every, covariance_type, regularisation=0.01, empty=nothing)
    means, covariances = Gaussian.estimate(x, given, covariance_type, regularisation=0.01, empty=whole)
    return given.mean(0), means, covariances


def _points(data: Any) -> np.ndarray:
    """Convert points (T, D), (B, T, D) or a list of such arrays to one finite array (N, D)."""
    parts = [np.asarray(part, np.float64) for part in (data if isinstance(data, list) else [data])]
    if any(part.ndim == 1 for part in parts):
        parts = [np.asarray(data, np.float64)]
    if any(part.ndim not in (2, 3) for part in parts):
        raise ValueError(f"points must have the shape (T, D), got {parts[0].shape}")
    x = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
    return finite_vectors(Vectors(x.shape[1]), x)
