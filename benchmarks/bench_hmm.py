"""HMMs with 16 states compared with hmmlearn: sampling, scoring, decoding and fitting, one stream on one thread.

Both sides have the same parameters; that they compute the same is checked before anything is timed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hmmlearn.hmm import CategoricalHMM, GaussianHMM

from benchmarks.side_by_side import assert_same_distribution, side_by_side
from seqgen import HMM, Categorical, Gaussian

STATES, SYMBOLS, STEPS = 16, 64, 20_000
SAMPLED = 1_000_000
PEER = "hmmlearn"


def chain() -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(0)
    return r.dirichlet(np.ones(STATES)), r.dirichlet(np.ones(STATES), STATES)


def categorical() -> tuple[HMM, Any]:
    """Return our model and hmmlearn's with 64 symbols."""
    start, transition = chain()
    probabilities = np.random.default_rng(1).dirichlet(np.ones(SYMBOLS), STATES)
    peer = CategoricalHMM(STATES, init_params="", n_iter=1, tol=0.0)
    peer.n_features, peer.emissionprob_ = SYMBOLS, probabilities
    peer.startprob_, peer.transmat_ = start, transition
    return HMM(start, transition, Categorical(probabilities)), peer


def gaussian() -> tuple[HMM, Any]:
    """Return our model and hmmlearn's with 2-d diagonal normals."""
    start, transition = chain()
    r = np.random.default_rng(2)
    means, variances = r.normal(size=(STATES, 2)), r.gamma(2.0, 1.0, (STATES, 2))
    peer = GaussianHMM(STATES, "diag", init_params="")
    peer.n_features, peer.means_, peer.covars_ = 2, means, variances
    peer.startprob_, peer.transmat_ = start, transition
    return HMM(start, transition, Gaussian(means, variances)), peer


def measure_sampling(
    benchmark: Any, model: HMM, peer: Any, *, work: str, target: float, peer_steps: int, collected: bool
) -> None:
    """Measure one row: the stream itself, or `sample`, which gathers it in one array."""
    ours_drawn = model.sample(1, 40_000, seed=5)[0]
    theirs = np.asarray(peer.sample(4000, random_state=5)[0])
    for ours_part, theirs_part in zip(_binned(ours_drawn), _binned(theirs), strict=True):
        assert_same_distribution(ours_part[::5], theirs_part[::5])

    def streamed() -> int:
        with model.stream(1, SAMPLED, engine="numba", threads=1, seed=3) as stream:
            return sum(len(chunk.data) for chunk in stream)

    def gathered() -> int:
        return len(model.sample(1, SAMPLED, engine="numba", threads=1, seed=3)[0])

    def peers() -> int:
        return len(peer.sample(peer_steps, random_state=3)[0])

    side_by_side(
        benchmark, family="hmm", work=f"{work}, {'sample()' if collected else 'stream'}", unit="symbols",
        ours=gathered if collected else streamed, peer=peers, peer_name=f"{PEER} sample", target=target,
        limit="Philox words, two table look-ups per symbol, and the chunks' Python" if "symbols" in work else "",
    )  # fmt: skip


def _binned(x: np.ndarray) -> list[np.ndarray]:
    """Return each dimension as small integers."""
    columns = x.reshape(len(x), -1).T
    return [np.floor(column).clip(-8, SYMBOLS).astype(int) + 8 for column in columns]


def bench_categorical_stream(benchmark: Any) -> None:
    measure_sampling(
        benchmark,
        *categorical(),
        work="HMM 16 states, 64 symbols",
        target=200,
        peer_steps=20_000,
        collected=False,
    )


def bench_categorical_sample(benchmark: Any) -> None:
    measure_sampling(
        benchmark,
        *categorical(),
        work="HMM 16 states, 64 symbols",
        target=200,
        peer_steps=20_000,
        collected=True,
    )


def bench_gaussian_stream(benchmark: Any) -> None:
    measure_sampling(
        benchmark, *gaussian(), work="HMM 16 states, 2-d diagonal Gaussian", target=1000, peer_steps=4000,
        collected=False,
    )  # fmt: skip


def bench_gaussian_sample(benchmark: Any) -> None:
    measure_sampling(
        benchmark, *gaussian(), work="HMM 16 states, 2-d diagonal Gaussian", target=1000, peer_steps=4000,
        collected=True,
    )  # fmt: skip


# ---- inference ------------------------------------------------------------------------------------------


def observations() -> np.ndarray:
    return np.random.default_rng(3).integers(0, SYMBOLS, STEPS)


def bench_score(benchmark: Any) -> None:
    """The forward algorithm."""
    (model, peer), x = categorical(), observations()
    assert np.isclose(model.score(x), peer.score(x[:, None]), rtol=1e-12)

    def ours() -> int:
        for _ in range(20):
            model.score(x)
        return 20 * STEPS

    def peers() -> int:
        peer.score(x[:, None])
        return STEPS

    side_by_side(
        benchmark, family="hmm", work="forward score, 16 states, 64 symbols, 20,000 steps", unit="symbols",
        ours=ours, peer=peers, peer_name=f"{PEER} score", target=15,
    )  # fmt: skip


def bench_viterbi(benchmark: Any) -> None:
    (model, peer), x = categorical(), observations()
    path, log_prob = model.viterbi(x)
    peer_log_prob, peer_path = peer.decode(x[:, None])
    assert np.isclose(log_prob, peer_log_prob, rtol=1e-12)
    assert np.mean(path == peer_path) > 0.99  # equally likely paths may be chosen differently

    def ours() -> int:
        for _ in range(20):
            model.viterbi(x)
        return 20 * STEPS

    def peers() -> int:
        for _ in range(4):
            peer.decode(x[:, None])
        return 4 * STEPS

    side_by_side(
        benchmark, family="hmm", work="Viterbi, 16 states, 64 symbols, 20,000 steps", unit="symbols",
        ours=ours, peer=peers, peer_name=f"{PEER} decode", target=4,
    )  # fmt: skip


def bench_em_iteration(benchmark: Any) -> None:
    """Time one iteration of Baum-Welch, from the same parameters each time."""
    x = observations()

    def fitted() -> HMM:
        return categorical()[0].fit(x, iterations=1)

    def peer_fitted() -> Any:
        return categorical()[1].fit(x[:, None])

    own, other = fitted(), peer_fitted()
    assert np.allclose(own.transition, other.transmat_, atol=1e-9)
    assert np.allclose(own.emission.expectation(), other.emissionprob_, atol=1e-9)

    def ours() -> int:
        for _ in range(10):
            fitted()
        return 10 * STEPS

    def peers() -> int:
        peer_fitted()
        return STEPS

    side_by_side(
        benchmark, family="hmm", work="EM iteration, 16 states, 64 symbols, 20,000 steps", unit="symbols",
        ours=ours, peer=peers, peer_name=f"{PEER} fit, n_iter=1", target=20,
    )  # fmt: skip
