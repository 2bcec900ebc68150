"""What an emission is: the distribution of an observation given the hidden state of an HMM.

Legend: K states, T observations, D dimensions of an observation (0 where it is one number).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from seqgen.codecs import Codec


class Likelihood(NamedTuple):
    """Densities of T observations in K states: that of observation t is row n = rows[t] of the tables.

    exp(log[n]) = relative[n] * exp(shift[n]). Equal observations may share a row, so that the densities of a
    sequence of symbols take no memory.

    Attributes:
        log: (N, K) log-densities in nats.
        relative: (N, K) densities, divided by the largest of their row.
        shift: (N,) logarithm of that largest one, or 0 where all are zero.
        rows: (T,) int64.
    """

    log: np.ndarray
    relative: np.ndarray
    shift: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, log: np.ndarray, rows: np.ndarray | None = None) -> Likelihood:
        """From log-densities (N, K), and `rows` unless there is one for each observation."""
        shift = log.max(-1)
        shift = np.where(np.isneginf(shift), 0.0, shift)
        relative = np.ascontiguousarray(np.exp(log - shift[:, None]))
        return cls(np.ascontiguousarray(log), relative, shift, np.arange(len(log)) if rows is None else rows)


class Emission(ABC):
    """Base of all emissions. They are values: nothing changes one after it is made.

    Attributes:
        name: as stored in checkpoints.
        discrete: whether observations are integers.
        states: number of hidden states K.
        dimensions: D, or 0 where an observation is one number.
    """

    name: ClassVar[str]
    discrete: ClassVar[bool]
    states: int
    dimensions: int

    @abstractmethod
    def default_codec(self) -> Codec:
        """The codec of the observations, unless the HMM is given another."""

    @abstractmethod
    def check(self, x: Any) -> np.ndarray:
        """Observations as an int64 or float64 array (T,) or (T, D).

        Raises:
            ValueError, TypeError: for a wrong shape, a value that is not finite or one that cannot occur.
        """

    @abstractmethod
    def log_likelihood(self, x: Any) -> np.ndarray:
        """Log-density of each observation in each state, (T, K) in nats; -inf where it cannot occur.

        A row depends on its own observation alone, bit for bit.
        """

    @abstractmethod
    def refit(self, x: Any, posteriors: np.ndarray, *, smoothing: float, regularisation: float) -> Self:
        """The M-step: the emission that is most likely given the posteriors of the states.

        A state (or component) that no observation belongs to keeps its parameters.

        Args:
            x: T observations.
            posteriors: (T, K) probability of each state at each observation.
            smoothing: added to the expected count of every symbol, in categorical emissions.
            regularisation: this fraction of the observations' variance is added to every variance, in
                Gaussian emissions.
        """

    @abstractmethod
    def expectation(self) -> np.ndarray:
        """Mean observation in each state, (K,) or (K, D); for symbols their probabilities (K, V)."""

    @abstractmethod
    def free_parameters(self) -> int:
        """Number of parameters that can vary freely, for AIC and BIC."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters by the names of the constructor's arguments."""

    def config(self) -> dict[str, Any]:
        """What else the constructor needs, as JSON values, and the name."""
        return {"name": self.name}

    @classmethod
    def from_arrays(cls, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `config` and `arrays`."""
        return cls(**arrays, **{key: value for key, value in config.items() if key != "name"})

    def likelihood(self, x: Any) -> Likelihood:
        """The densities of T observations in the form that inference works with."""
        return Likelihood.of(self.log_likelihood(x))

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}={array.shape}" for name, array in self.arrays().items())
        return f"{type(self).__name__}({shapes})"


def kept_where_empty(new: np.ndarray, old: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """`new`, but `old` in the rows whose `mass` (leading axes) is nothing."""
    empty = (mass <= 1e-10).reshape(mass.shape + (1,) * (new.ndim - mass.ndim))
    return np.where(empty, old, new)
