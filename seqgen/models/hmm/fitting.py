"""Fitting of HMMs: initialisation, and Baum-Welch (EM; Baum et al. 1970).

Legend: K states, S sequences, N observations of all sequences in total.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgen import rng
from seqgen.checks import frozen
from seqgen.codecs import Codec, Integers, Vectors
from seqgen.errors import choice, integer
from seqgen.models.hmm import inference as hmm_inference
from seqgen.models.hmm.discrete import Categorical, Poisson
from seqgen.models.hmm.em import FitHistory, FitOptions, Progress, expectation_maximization
from seqgen.models.hmm.emission import Emission, kept_where_empty
from seqgen.models.hmm.gaussian import Gaussian, finite_vectors
from seqgen.models.hmm.inference import Chain, Expectation
from seqgen.models.hmm.kmeans import assignments
from seqgen.models.hmm.mixture import GaussianMixture, clustered
from seqgen.models.hmm.schema import EMISSIONS

STRUCTURES = ("dense", "left-to-right")


class Parts(NamedTuple):
    """The arguments of `HMM`."""

    start: np.ndarray
    transition: np.ndarray
    emission: Emission
    codec: Codec


def baum_welch(
    chain: Chain,
    emission: Emission,
    rows: list[np.ndarray],
    update: Callable[[Chain, Emission], None],
    *,
    params: str,
    progress: Progress | None,
    **options: Any,
) -> FitHistory:
    """Run EM; arguments as in `HMM.fit`. `update` receives the parameters after every iteration."""
    if not params or set(params) - set("ste"):
        raise ValueError(f'params must be made of the letters "s", "t" and "e", got {params!r}')
    chosen = FitOptions(**options)
    x = np.concatenate(rows)
    bounds = np.cumsum([0, *map(len, rows)])
    memory = np.empty((len(x), emission.states))

    def expect() -> tuple[float, Expectation]:
        found = hmm_inference.expectation(chain, emission.likelihood(x), bounds, memory=memory)
        return float(found.log_prob.sum()), found

    def maximise(found: Expectation) -> None:
        nonlocal chain, emission
        start, transition = chain
        if "s" in params:
            start = found.posteriors[bounds[:-1]].sum(0)
            start /= start.sum()
        if "t" in params:
            left = found.pairs.sum(1)
            transition = kept_where_empty(
                found.pairs / np.where(left > 0, left, 1.0)[:, None], transition, left
            )
        if "e" in params:
            emission = emission.refit(
                x, found.posteriors, smoothing=chosen.smoothing, regularisation=chosen.regularisation
            )
        chain = Chain(frozen(start), frozen(transition))
        update(chain, emission)

    return expectation_maximization(expect, maximise, chosen, observations=len(x), progress=progress)


def initial_parts(
    states: int,
    data: Any,
    *,
    emission: str,
    seed: int = 0,
    structure: str = "dense",
    codec: Codec | None = None,
    symbols: int | None = None,
    covariance_type: str = "diag",
    components: int = 2,
) -> Parts:
    """Return initial parameters of a fit, as a function of the data, the options and the seed.

    Dense: start and transition probabilities are uniform, and states differ by their emissions, which are estimated
    from a k-means clustering of the observations (for symbols: from random posteriors). Left-to-right: the chain starts
    in state 0 and stays or advances by one, and emissions are estimated from each sequence divided into K equal parts.

    Args:
        states: K.
        data: one sequence or a list of them, numeric or in the format of `codec`.
        emission: "categorical", "poisson", "gaussian" or "gaussian-mixture".
        seed: seed of all randomness.
        structure: "dense" or "left-to-right".
        codec: codec of the symbols of a categorical emission; None is `Integers`.
        symbols: number of symbols V; None is that of the codec, or the maximum in the data plus one.
        covariance_type: that of Gaussian emissions.
        components: number of components of Gaussian mixtures.
    """
    states = integer("states", states, low=1)
    choice("emission", emission, EMISSIONS)
    choice("structure", structure, STRUCTURES)
    if codec is None:
        codec = _codec(data, emission, symbols)
    rows = codec.encode_batch(one_column(data, codec))
    if any(len(row) == 0 for row in rows):
        raise ValueError("data must hold at least one observation in every sequence, got an empty one")
    x = np.concatenate(rows)
    points = finite_vectors(Vectors(x[0].size), x.reshape(len(x), -1).astype(np.float64))
    if structure == "dense":
        start, transition = np.full(states, 1.0 / states), np.full((states, states), 1.0 / states)
        if emission == "categorical":
            given = rng.uniforms(seed, np.arange(states), np.arange(len(x))[:, None], rng.Purpose.SHUFFLE)
        else:
            given = _one_hot(assignments(points, states, seed=seed), states)
    else:
        start, transition = _left_to_right(states, len(x) / len(rows))
        given = _one_hot(np.concatenate([np.arange(len(row)) * states // len(row) for row in rows]), states)
    return Parts(
        start,
        transition,
        _emission(emission, x, points, given, codec.size, covariance_type, components, seed),
        codec,
    )


def one_column(data: Any, codec: Codec) -> Any:
    """Return symbols or counts that are given as columns (T, 1), as hmmlearn takes them, as sequences (T,).

    An array (T, 1) is one sequence of length T, and not T sequences of length 1.
    """
    if getattr(codec, "dimensions", 0):
        return data
    if isinstance(data, list):
        return [one_column(each, codec) if isinstance(each, np.ndarray) else each for each in data]
    if isinstance(data, np.ndarray) and data.ndim == 2 and data.shape[1] == 1 and data.dtype.kind in "iuf":
        return data[:, 0]
    return data


def _codec(data: Any, emission: str, symbols: int | None) -> Codec:
    if emission == "categorical":
        if symbols is None:
            rows = data if isinstance(data, list) and np.ndim(data[0]) else [data]
            symbols = max(int(np.max(row)) for row in rows) + 1
        return Integers(symbols)
    dtype = "int64" if emission == "poisson" else "float64"
    first = np.asarray(data[0] if isinstance(data, list) and np.ndim(data[0]) else data)
    if emission == "poisson" and first.ndim == 1:
        return Vectors(0, dtype)
    if first.ndim < 2:
        raise ValueError(f"data must have the shape (T, D), got {first.shape}")
    return Vectors(first.shape[-1], dtype)


def _left_to_right(states: int, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Return start and transition of a chain from state 0 that visits all states in a sequence of `length`."""
    advance = min(0.5, states / length)
    transition = np.diag(np.full(states, 1.0 - advance)) + np.diag(np.full(states - 1, advance), 1)
    transition[-1, -1] = 1.0
    return np.eye(states)[0], transition


def _one_hot(labels: np.ndarray, states: int) -> np.ndarray:
    return (labels[:, None] == np.arange(states)).astype(np.float64)


def _emission(
    kind: str,
    x: np.ndarray,
    points: np.ndarray,
    given: np.ndarray,
    symbols: int,
    covariance_type: str,
    components: int,
    seed: int,
) -> Emission:
    """Return an emission estimated from the posteriors `given` (N, K), smoothed so that nothing is impossible."""
    states = given.shape[1]
    if kind == "categorical":
        flat = Categorical(np.full((states, symbols), 1.0 / symbols))
        return flat.refit(
            x, given, smoothing=max(1e-3, 0.01 * len(x) / (states * symbols)), regularisation=0.0
        )
    if kind == "poisson":
        mean = x.mean(0)
        fitted = Poisson(np.tile(mean, (states, *[1] * np.ndim(mean)))).refit(
            x, given, smoothing=0.0, regularisation=0.0
        )
        return Poisson(0.99 * fitted.rates + 0.01 * (mean + 0.1))
    dims = points.shape[1]
    if kind == "gaussian":
        empty = (points.mean(0), np.eye(dims) if covariance_type == "full" else np.ones(()))
        means, covariances = Gaussian.estimate(
            points, given, covariance_type, regularisation=0.01, empty=empty
        )
        return Gaussian(means, covariances, covariance_type)
    each = []
    for k in range(states):
        own = points[given[:, k] > 0] if given[:, k].any() else points
        labels = assignments(own, components, seed=seed)
        each.append(clustered(own, labels, components, covariance_type))
    weights, means, covariances = (np.stack(part) for part in zip(*each, strict=True))
    return GaussianMixture(weights, means, covariances, covariance_type)
