"""The emissions by name, and the parts of an HMM in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.checks import renormalised
from seqgen.errors import SeqgenError
from seqgen.models.hmm.discrete import Categorical, Poisson
from seqgen.models.hmm.emission import Emission
from seqgen.models.hmm.gaussian import Gaussian
from seqgen.models.hmm.mixture import GaussianMixture

__all__ = [
    "EMISSIONS",
    "Categorical",
    "Emission",
    "Gaussian",
    "GaussianMixture",
    "Poisson",
    "emission_from",
    "parts",
]

EMISSIONS: dict[str, type[Emission]] = {
    kind.name: kind for kind in (Categorical, Poisson, Gaussian, GaussianMixture)
}
_PREFIX = "emission."


def emission_from(config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Emission:
    """Return the emission that `Emission.config` and `Emission.arrays` describe."""
    name = config.get("name")
    if name not in EMISSIONS:
        raise SeqgenError(f"unknown emission {name!r}; this version knows {', '.join(EMISSIONS)}")
    return EMISSIONS[name].from_arrays(config, arrays)


def parts(weights: Weights) -> tuple[np.ndarray, np.ndarray, Emission]:
    """Return start (K,), transition (K, K) and emission of an HMM; a plain mixture has a single state.

    Probabilities that were rounded to bfloat16 are normalised to sum to one.
    """
    arrays = {
        name: renormalised(array) if name.split(".")[-1] in _PROBABILITIES else array
        for name, array in weights.arrays.items()
    }
    if weights.family == GaussianMixture.family:
        config = {key: value for key, value in weights.config.items() if key != "codec"}
        emission = emission_from(config, {name: array[None] for name, array in arrays.items()})
        return np.ones(1), np.ones((1, 1)), emission
    own = {name.removeprefix(_PREFIX): a for name, a in arrays.items() if name.startswith(_PREFIX)}
    return arrays["start"], arrays["transition"], emission_from(weights.config["emission"], own)


_PROBABILITIES = ("start", "transition", "probabilities", "weights")
