"""Gaussian emissions, and functions shared with Gaussian mixtures.

Legend: K states, T observations, D dimensions, R rows of parameters (states, or states times components).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from seqgen import checks
from seqgen.codecs import Codec, Vectors
from seqgen.models.hmm.emission import Emission, kept_where_empty
from seqgen.models.hmm.schema import COVARIANCE


class Gaussian(Emission):
    """Normally distributed vectors with a mean and a covariance per state.

    Args:
        means: (K, D).
        covariances: for "diag" the variances (K, D), for "full" the matrices (K, D, D), for "spherical" one variance
            per state (K,); positive definite.
        covariance_type: "diag", "full" or "spherical".
    """

    name = "gaussian"
    discrete = False

    def __init__(self, means: Any, covariances: Any, covariance_type: str = "diag") -> None:
        self.means = checks.finite("means", means, ("K", "D"))
        self.states, self.dimensions = self.means.shape
        self.covariance_type = covariance_type
        self.covariances, self.factors = covariances_and_factors(
            covariances, covariance_type, self.means.shape, ("state",)
        )

    def default_codec(self) -> Codec:
        return Vectors(self.dimensions)

    def check(self, x: Any) -> np.ndarray:
        return finite_vectors(self.default_codec(), x)

    def log_likelihood(self, x: Any) -> np.ndarray:
        return log_density(self.check(x), self.means, self.factors)

    def refit(self, x: Any, posteriors: np.ndarray, *, smoothing: float, regularisation: float) -> Self:
        new = self.estimate(
            x,
            posteriors,
            self.covariance_type,
            regularisation=regularisation,
            empty=(self.means, self.covariances),
        )
        return type(self)(*new, self.covariance_type)

    @staticmethod
    def estimate(
        x: Any,
        posteriors: np.ndarray,
        covariance_type: str,
        *,
        regularisation: float,
        empty: tuple[np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weighted means (R, D) and covariances; rows without weight take those of `empty`.

        Args:
            x: (T, D). posteriors: (T, R) weights.
            covariance_type: as in the constructor.
            regularisation: fraction of the variance of `x` that is added to every variance; for a feature that is
                constant, of its square or of 1, whichever is larger.
            empty: means and covariances for rows without weight.
        """
        mass = posteriors.sum(0)
        divisor = np.where(mass > 0, mass, 1.0)[:, None]
        means = posteriors.T @ x / divisor
        spread, square = x.var(0), np.square(x).mean(0)
        # a constant feature may have the variance of rounding
        floor = regularisation * np.where(spread > 1e-24 * square, spread, np.maximum(square, 1.0))
        spreads = []
        for r, mean in enumerate(means):
            from_mean = x - mean
            weighted = from_mean * posteriors[:, r, None]
            if covariance_type == "full":
                spreads.append(weighted.T @ from_mean / divisor[r] + np.diag(floor))
            else:
                spreads.append(np.einsum("td,td->d", weighted, from_mean) / divisor[r] + floor)
        covariances = np.stack(spreads)
        if covariance_type == "spherical":
            covariances = covariances.mean(-1)
        elif covariance_type == "full":
            covariances = (covariances + covariances.swapaxes(-1, -2)) / 2
        return kept_where_empty(means, empty[0], mass), kept_where_empty(covariances, empty[1], mass)

    def expectation(self) -> np.ndarray:
        return self.means

    def free_parameters(self) -> int:
        return self.means.size + covariance_parameters(self.covariance_type, self.states, self.dimensions)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"means": self.means, "covariances": self.covariances}

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "covariance_type": self.covariance_type}

    def components(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weights (K, 1), means (K, D) and factors (K, D, 1 or D), as of a mixture with one component."""
        return np.ones((self.states, 1)), self.means, self.factors


def covariances_and_factors(
    covariances: Any, covariance_type: str, shape: tuple[int, ...], axes: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Check covariances against means of `shape` (..., D).

    Returns:
        The covariances, and factors: (R, D, 1) standard deviations or (R, D, D) lower Cholesky factors.

    Raises:
        ValueError: if one is not symmetric or not positive definite; `axes` name the leading axes.
    """
    COVARIANCE.check("covariance_type", covariance_type)
    dims = shape[-1]
    wanted = {"diag": shape, "full": (*shape, dims), "spherical": shape[:-1]}[covariance_type]
    array = checks.finite("covariances", covariances, wanted)

    def where(row: tuple[int, ...]) -> str:
        return ", ".join(f"{axis} {int(k)}" for axis, k in zip(axes, row, strict=True))

    if covariance_type != "full":
        if (array <= 0).any():
            row = tuple(int(k) for k in np.argwhere(array <= 0)[0])
            dimension = f" in dimension {row[-1]}" if covariance_type == "diag" else ""
            raise ValueError(
                f"singular covariances: {where(row[: len(axes)])} has the variance {array[row]:g}{dimension}; "
                "every variance must be > 0 (in a fit, raise regularisation)"
            )
        deviations = np.sqrt(array if covariance_type == "diag" else np.repeat(array[..., None], dims, -1))
        return array, np.ascontiguousarray(deviations.reshape(-1, dims, 1))
    factors = np.empty_like(array)
    for row in np.ndindex(shape[:-1]):
        matrix = array[row]
        if not np.allclose(matrix, matrix.T, rtol=1e-6, atol=1e-12 * np.abs(matrix).max()):
            raise ValueError(f"covariances must be symmetric, that of {where(row)} is not: {matrix.tolist()}")
        try:
            factors[row] = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            smallest = np.linalg.eigvalsh(matrix)[0]
            raise ValueError(
                f"singular covariances: that of {where(row)} has the eigenvalue {smallest:.3g}; all must be > 0 "
                "(in a fit, raise regularisation)"
            ) from None
    return array, factors.reshape(-1, dims, dims)


def log_density(x: np.ndarray, means: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Return log-densities (T, R) of vectors x (T, D) under the normals with means (R, D) and `factors`."""
    from seqgen.models.hmm.numba_densities import gaussian_log_density

    out = np.empty((len(x), len(means)))
    gaussian_log_density(x, means, factors, out)
    return out


def covariance_parameters(covariance_type: str, rows: int, dimensions: int) -> int:
    """Return the number of free parameters of the covariances of `rows` normals."""
    each = {"diag": dimensions, "full": dimensions * (dimensions + 1) // 2, "spherical": 1}
    return rows * each[covariance_type]


def finite_vectors(codec: Codec, x: Any) -> np.ndarray:
    """Return observations (T, D) after checking that they are finite."""
    vectors = codec.encode(x)
    if not np.isfinite(vectors).all():
        t, d = np.argwhere(~np.isfinite(vectors))[0]
        raise ValueError(f"observations must be finite, got {vectors[t, d]} at position {t}, dimension {d}")
    return vectors
