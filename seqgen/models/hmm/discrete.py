"""Emissions of integers: `Categorical` symbols and `Poisson` counts.

Legend: K states, V symbols, T observations, D dimensions.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from seqgen import checks
from seqgen.codecs import Codec, Integers, Vectors
from seqgen.models.hmm.emission import Emission, Likelihood, kept_where_empty


class Categorical(Emission):
    """Symbols 0 to V - 1 with a categorical distribution per state.

    Args:
        probabilities: (K, V), rows sum to one.

    Example:
        >>> Categorical([[0.5, 0.5], [0.9, 0.1]]).log_likelihood([1]).round(3).tolist()
        [[-0.693, -2.303]]
    """

    name = "categorical"
    discrete = True
    dimensions = 0

    def __init__(self, probabilities: Any) -> None:
        self.probabilities = checks.probabilities("probabilities", probabilities, ("K", "V"))
        self.states, self.size = self.probabilities.shape
        with np.errstate(divide="ignore"):
            self._by_symbol = Likelihood.of(np.log(self.probabilities.T))

    def default_codec(self) -> Codec:
        return Integers(self.size)

    def check(self, x: Any) -> np.ndarray:
        return self.default_codec().encode(x)

    def log_likelihood(self, x: Any) -> np.ndarray:
        return self._by_symbol.log.take(self.check(x), 0)

    def likelihood(self, x: Any) -> Likelihood:
        return self._by_symbol._replace(rows=self.check(x))

    def refit(self, x: Any, posteriors: np.ndarray, *, smoothing: float, regularisation: float) -> Self:
        from seqgen.models.hmm.numba_inference import symbol_counts

        counts = np.full((self.size, self.states), float(smoothing))
        symbol_counts(self.check(x), posteriors, counts)
        mass = counts.sum(0)
        with np.errstate(invalid="ignore"):
            new = (counts / mass).T
        return type(self)(kept_where_empty(new, self.probabilities, mass))

    def expectation(self) -> np.ndarray:
        return self.probabilities

    def free_parameters(self) -> int:
        return self.states * (self.size - 1)

    def arrays(self) -> dict[str, np.ndarray]:
        return {"probabilities": self.probabilities}

    def rows(self) -> tuple[list[np.ndarray], list[int]]:
        """Return the weights of each state's distribution, and the symbol of its first weight."""
        return list(self.probabilities), [0] * self.states


class Poisson(Emission):
    """Poisson counts, independent given the state.

    Args:
        rates: (K,) for observations (T,), or (K, D) for observations (T, D); at least 0.
    """

    name = "poisson"
    discrete = True

    def __init__(self, rates: Any) -> None:
        self.rates = checks.finite("rates", rates, ("K",), ("K", "D"))
        if (self.rates < 0).any():
            where = tuple(int(k) for k in np.argwhere(self.rates < 0)[0])
            raise ValueError(f"rates must be at least 0, got {self.rates[where]:g} at {list(where)}")
        self.states = len(self.rates)
        self.dimensions = 0 if self.rates.ndim == 1 else self.rates.shape[1]

    def default_codec(self) -> Codec:
        return Vectors(self.dimensions, "int64")

    def check(self, x: Any) -> np.ndarray:
        counts = self.default_codec().encode(x)
        if counts.size and counts.min() < 0:
            raise ValueError(f"observations must be counts of at least 0, got {counts.min()}")
        return counts

    def log_likelihood(self, x: Any) -> np.ndarray:
        from seqgen.models.hmm.numba_densities import poisson_log_density

        counts = self.check(x)
        out = np.empty((len(counts), self.states))
        poisson_log_density(
            counts.reshape(len(counts), -1), np.ascontiguousarray(self.rates.reshape(self.states, -1)), out
        )
        return out

    def refit(self, x: Any, posteriors: np.ndarray, *, smoothing: float, regularisation: float) -> Self:
        mass = posteriors.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            new = (posteriors.T @ self.check(x)) / (mass if self.rates.ndim == 1 else mass[:, None])
        return type(self)(kept_where_empty(new, self.rates, mass))

    def expectation(self) -> np.ndarray:
        return self.rates

    def free_parameters(self) -> int:
        return self.rates.size

    def arrays(self) -> dict[str, np.ndarray]:
        return {"rates": self.rates}

    def rows(self) -> tuple[list[np.ndarray], list[int]]:
        """Return the weights of the K D distributions of counts, and the count of each one's first weight."""
        from seqgen.models.hmm.inverse_cdf import poisson_rows

        firsts, weights = poisson_rows(self.rates.ravel().tolist())
        return weights, firsts
