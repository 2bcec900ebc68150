"""Small HMMs with every kind of emission, and sums over all their hidden paths.

Legend: K states, T observations.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

import seqgen
from seqgen.models.hmm.emission import Emission

KINDS = (
    "categorical", "poisson", "poisson-vectors", "gaussian-diag", "gaussian-full", "gaussian-spherical",
    "mixture-diag", "mixture-full",
)  # fmt: skip


def emission(kind: str, states: int, seed: int = 0) -> Emission:
    """Return an emission of that kind with random parameters."""
    r = np.random.default_rng(seed)
    name, _, variant = kind.partition("-")
    if name == "categorical":
        return seqgen.Categorical(r.dirichlet(np.ones(5), states))
    if name == "poisson":
        return seqgen.Poisson(r.gamma(2.0, 3.0, (states, 3) if variant else states))
    shape = (states, 3, 2) if name == "mixture" else (states, 2)
    means = r.normal(size=shape) * 2.0
    spread = r.normal(size=(*shape, 2))
    covariances = {
        "diag": r.gamma(2.0, 0.5, shape),
        "spherical": r.gamma(2.0, 0.5, shape[:-1]),
        "full": spread @ spread.swapaxes(-1, -2) + 0.1 * np.eye(2),
    }[variant]
    if name == "mixture":
        return seqgen.GaussianMixture(r.dirichlet(np.ones(3), states), means, covariances, variant)
    return seqgen.Gaussian(means, covariances, variant)


def hmm(kind: str, states: int = 3, seed: int = 0) -> seqgen.HMM:
    """Return a dense HMM of that kind with random parameters."""
    r = np.random.default_rng(seed + 1000)
    start, transition = r.dirichlet(np.ones(states)), r.dirichlet(np.ones(states), states)
    return seqgen.HMM(start, transition, emission(kind, states, seed))


def left_to_right(states: int = 3, stay: float = 0.6, seed: int = 0) -> seqgen.HMM:
    """Return a categorical HMM that stays or advances by one state."""
    transition = stay * np.eye(states) + (1 - stay) * np.eye(states, k=1)
    transition[-1, -1] = 1.0
    return seqgen.HMM(np.eye(states)[0], transition, emission("categorical", states, seed))


@dataclass(frozen=True)
class BruteForce:
    """Sums over all K^T hidden paths of a model with given observations.

    Attributes:
        paths: (K^T, T). joint: (K^T,) p(x, z). log_prob: log p(x). best: log p(x, z) of the best path.
    """

    paths: np.ndarray
    joint: np.ndarray

    @classmethod
    def of(cls, model: seqgen.HMM, x: np.ndarray) -> BruteForce:
        density = np.exp(model.emission.log_likelihood(x))
        paths = np.array(list(itertools.product(range(model.states), repeat=len(x))))
        joint = model.start[paths[:, 0]] * density[0, paths[:, 0]]
        for t in range(1, len(x)):
            joint = joint * model.transition[paths[:, t - 1], paths[:, t]] * density[t, paths[:, t]]
        return cls(paths, joint)

    @property
    def log_prob(self) -> float:
        return float(np.log(self.joint.sum()))

    @property
    def best(self) -> tuple[np.ndarray, float]:
        k = int(self.joint.argmax())
        return self.paths[k], float(np.log(self.joint[k]))

    def smoothed(self, states: int) -> np.ndarray:
        """Return p(z_t | x), (T, K)."""
        given = self.joint / self.joint.sum()
        return np.stack([np.bincount(column, weights=given, minlength=states) for column in self.paths.T])
