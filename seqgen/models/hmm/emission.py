"""The interface of emissions: distributions of an observation given the hidden state of an HMM.

Legend: K states, T observations, D dimensions of an observation (0 if it is a scalar).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from seqgen.codecs import Codec


class Likelihood(NamedTuple):
    """Densities of T observations in K states: those of observation t are row n = rows[t] of the tables.

    exp(log[n]) = relative[n] * exp(shift[n]). Equal observations may share a row, so that the densities of a symbol
    sequence take little memory.

    Attributes:
        log: (N, K) log-densities in nats.
        relative: (N, K) densities, divided by the maximum of their row.
        shift: (N,) logarithm of the maximum, or 0 if all are zero.
        rows: (T,) int64.
    """

    log: np.ndarray
    relative: np.ndarray
    shift: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, log: np.ndarray, rows: np.ndarray | None = None) -> Likelihood:
        """Create from log-densities (N, K), and `rows` unless there is one row per observation."""
        shift = log.max(-1)
        shift = np.where(np.isneginf(shift), 0.0, shift)
        relative = np.ascontiguousarray(np.exp(log - shift[:, None]))
        return cls(np.ascontiguousarray(log), relative, shift, np.arange(len(log)) if rows is None else rows)


class Emission(ABC):
    """Base class of all emissions, which are immutable.

    Attributes:
        name: name in checkpoints.
        discrete: whether observations are integers.
        states: number of hidden states K.
        dimensions: D, or 0 if an observation is a scalar.
    """

    name: ClassVar[str]
    discrete: ClassVar[bool]
    states: int
    dimensions: int

    @abstractmethod
    def default_codec(self) -> Codec:
        """Return the default codec of the observations."""

    @abstractmethod
    def check(self, x: Any) -> np.ndarray:
        """Convert observations to an int64 or float64 array (T,) or (T, D).

        Raises:
            ValueError, TypeError: if the shape is wrong, or a value is not finite or cannot occur.
        """

    @abstractmethod
    def log_likelihood(self, x: Any) -> np.ndarray:
        """Return the log-density of each observation in each state, (T, K) in nats; -inf if it cannot occur.

        Each row depends only on its observation, bit for bit.
        """

    @abstractmethod
    def refit(self, x: Any, posteriors: np.ndarray, *, smoothing: float, regularisation: float) -> Self:
        """Perform the M-step: return the emission of maximum likelihood given the posteriors of the states.

        A state (or component) without posterior mass keeps its parameters.

        Args:
            x: T observations.
            posteriors: (T, K) probability of each state at each observation.
            smoothing: added to the expected count of every symbol of categorical emissions.
            regularisation: this fraction of the observations' variance is added to every variance of Gaussian
                emissions.
        """

    @abstractmethod
    def expectation(self) -> np.ndarray:
        """Return the mean observation in each state, (K,) or (K, D); for symbols their probabilities (K, V)."""

    @abstractmethod
    def free_parameters(self) -> int:
        """Return the number of free parameters, for AIC and BIC."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Return the parameters by the names of the constructor's arguments."""

    def config(self) -> dict[str, Any]:
        """Return the name and the other arguments of the constructor as JSON values."""
        return {"name": self.name}

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Create an emission from the results of `config` and `arrays`."""
        return cls(**arrays, **{key: value for key, value in config.items() if key != "name"})

    def likelihood(self, x: Any) -> Likelihood:
        """Return the densities of T observations in the form that inference uses."""
        return Likelihood.of(self.log_likelihood(x))

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}={array.shape}" for name, array in self.arrays().items())
        return f"{type(self).__name__}({shapes})"


def kept_where_empty(new: np.ndarray, old: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Return `new`, with `old` in the rows whose `mass` (leading axes) is zero."""
    empty = (mass <= 1e-10).reshape(mass.shape + (1,) * (new.ndim - mass.ndim))
    return np.where(empty, old, new)
