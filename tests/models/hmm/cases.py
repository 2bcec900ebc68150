"""Hidden Markov models with every kind of emission, and the plain mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seqgen import HMM, Categorical, Controls, Gaussian, GaussianMixture, Poisson
from seqgen.codecs import Characters
from seqgen.models.hmm.emission import Emission
from tests.conformance.case import Case, all_of_length

STATES = 3


def categorical(r: np.random.Generator) -> Categorical:
    return Categorical(r.dirichlet(np.full(4, 0.6), STATES))


def poisson(r: np.random.Generator) -> Poisson:
    return Poisson(r.gamma(2.0, 3.0, STATES))


def full_gaussian(r: np.random.Generator) -> Gaussian:
    spread = r.normal(size=(STATES, 2, 2))
    return Gaussian(
        r.normal(size=(STATES, 2)) * 3,
        spread @ spread.swapaxes(1, 2) + 0.1 * np.eye(2),
        covariance_type="full",
    )


def mixture(r: np.random.Generator) -> GaussianMixture:
    return GaussianMixture(
        r.dirichlet(np.ones(2), STATES), r.normal(size=(STATES, 2, 3)) * 2, r.gamma(2.0, 0.5, (STATES, 2, 3))
    )


def plain_mixture(number: int) -> GaussianMixture:
    """Independent vectors."""
    r = np.random.default_rng(number)
    return GaussianMixture(r.dirichlet(np.ones(3)), r.normal(size=(3, 2)) * 3, r.gamma(2.0, 0.5, (3, 2)))


def hmm(emission: Callable[[np.random.Generator], Emission], **options: Any) -> Callable[[int], HMM]:
    """Return a dense HMM with random parameters."""

    def make(number: int) -> HMM:
        r = np.random.default_rng(number)
        start, transition = r.dirichlet(np.ones(STATES)), r.dirichlet(np.ones(STATES), STATES)
        return HMM(start, transition, emission(r), **options)

    return make


def joint(model: HMM, sample: dict[str, Any]) -> float:
    """Return log p(x, z) of the observations and the drawn states."""
    states = np.array(sample["states"])
    x = model.codec.encode(sample["data"] if isinstance(sample["data"], str) else np.array(sample["data"]))
    emitted = model.emission.log_likelihood(x)[np.arange(len(states)), states]
    walked = model.transition[states[:-1], states[1:]]
    return float(np.log(model.start[states[0]]) + np.log(walked).sum() + emitted.sum())


def fitted(model: HMM) -> None:
    """Run a few steps of EM on separate data."""
    model.fit(model.sample(2, 40, seed=77), iterations=2)


HMM_CASE: dict[str, Any] = {
    "conditions": ({"state": 0}, {"state": 2}), "score": joint, "retrain": fitted, "length": 17,
}  # fmt: skip

CASES = [
    Case(
        "hmm-characters",
        hmm(categorical, codec=Characters("aé😀\n")),
        prompts=("a", "é\n", "😀aé"),
        unknown="x",
        controls=(Controls(temperature=0.5, repetition_penalty=1.4), Controls(top_k=2), Controls(top_p=0.83)),
        stopping=Controls(stop=["aa", "é😀", "a\n"]),
        total=all_of_length(3),
        **HMM_CASE,
    ),
    Case(
        "hmm-integers",
        hmm(categorical),
        prompts=(np.array([0]), np.array([1, 2]), np.array([3, 3, 0])),
        unknown=np.array([4]),
        controls=(Controls(temperature=0.5), Controls(allowed=np.array([0, 1, 2]), min_p=0.05)),
        stopping=Controls(stop=[np.array([0, 0]), np.array([1, 2, 3])]),
        total=all_of_length(4),
        **HMM_CASE,
    ),
    Case(
        "hmm-poisson",
        hmm(poisson),
        prompts=(np.array([0]), np.array([3, 12]), np.array([30, 1, 2])),
        unknown=np.zeros((3, 2), np.int64),
        **HMM_CASE,
    ),
    Case(
        "hmm-gaussian",
        hmm(full_gaussian),
        prompts=(np.array([[2.7, 0.3]]), np.array([[-2.2, -2.8]]), np.zeros((3, 2))),
        unknown=np.zeros((3, 5)),
        **HMM_CASE,
    ),
    Case(
        "hmm-mixture",
        hmm(mixture),
        prompts=(np.zeros((1, 3)), np.ones((3, 3)), np.full((2, 3), -2.0)),
        unknown=np.zeros(3),
        **HMM_CASE,
    ),
    Case("mixture", plain_mixture, length=17, retrain=fitted),
]
