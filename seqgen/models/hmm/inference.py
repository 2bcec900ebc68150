"""Inference in HMMs, in blocks to bound the memory, with the kernels of `numba_inference`.

Every function first uses the fast kernels, and computes in logarithms if a sequence underflows, or if a state that
underflowed may matter later.
Legend: K states, T observations, S concatenated sequences.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.errors import SeqgenError
from seqgen.models.hmm.emission import Emission, Likelihood

BLOCK = 8192


class Chain(NamedTuple):
    """The hidden chain of an HMM: start (K,) and transition (K, K), float64 and contiguous."""

    start: np.ndarray
    transition: np.ndarray

    def log(self) -> tuple[np.ndarray, np.ndarray]:
        """The logarithms of both."""
        with np.errstate(divide="ignore"):
            return np.log(self.start), np.log(self.transition)


class Filtered(NamedTuple):
    """The result of `filtered`: the log-filter (T, K) or its last row (1, K), and the log-probability of x."""

    log_states: np.ndarray
    log_prob: float


class Expectation(NamedTuple):
    """Posteriors of states (T, K), expected transitions (K, K), and the log-probability of each sequence (S,)."""

    posteriors: np.ndarray
    pairs: np.ndarray
    log_prob: np.ndarray


def filtered(chain: Chain, emission: Emission, x: np.ndarray, *, keep: bool) -> Filtered:
    """Run the filter over x.

    Args:
        keep: whether to return log p(state | observations so far) of every step, or of the last one only.

    Returns:
        The log-filter. If x is impossible, its log-probability is -inf and the filter ends before the first impossible
            observation.
    """
    found = _filtered(chain, emission, x, keep)
    return _log_filtered(chain, emission, x, keep) if found is None else found


def _filtered(chain: Chain, emission: Emission, x: np.ndarray, keep: bool) -> Filtered | None:
    from seqgen.models.hmm.numba_inference import forward
    from seqgen.models.hmm.numba_square import padded

    kind, possible = _transitions(chain)
    transition = padded(chain.transition, 0.0)
    predicted, total = chain.start, 0.0
    kept: list[np.ndarray] = []
    for begin in range(0, len(x), BLOCK):
        density = emission.likelihood(x[begin : begin + BLOCK])
        steps = len(density.rows)
        out, norms = np.empty((steps if keep else 1, len(predicted))), np.empty(steps)
        lost = kind > 0 and begin > 0
        if not forward(
            predicted,
            transition,
            density.relative,
            density.log,
            density.rows,
            kind,
            possible,
            lost,
            out,
            norms,
        ):
            return None
        predicted = out[-1] @ chain.transition
        total += float(np.log(norms).sum() + density.shift[density.rows].sum())
        kept = [*kept, out] if keep else [out]
    with np.errstate(divide="ignore"):
        return Filtered(np.log(np.concatenate(kept)), total)


def _log_filtered(chain: Chain, emission: Emission, x: np.ndarray, keep: bool) -> Filtered:
    from seqgen.models.hmm.numba_inference import log_forward

    log_predicted, log_transition = chain.log()
    total = 0.0
    kept: list[np.ndarray] = []
    for begin in range(0, len(x), BLOCK):
        density = emission.log_likelihood(x[begin : begin + BLOCK])
        out, norms = np.empty_like(density), np.empty(len(density))
        stop = log_forward(log_predicted, log_transition, density, out, norms)
        if stop >= 0:
            return Filtered(np.concatenate([*kept, out[:stop]]), -np.inf)
        log_predicted = np.logaddexp.reduce(out[-1][:, None] + log_transition, 0)
        total += float(norms.sum())
        kept = [*kept, out] if keep else [out[-1:]]
    return Filtered(np.concatenate(kept), total)


def need_possible(found: Filtered, name: str, keep: bool = True) -> Filtered:
    """Return `found`, or raise SeqgenError naming the first impossible observation."""
    if found.log_prob == -np.inf:
        where = f": none of the states that can be reached allows observation {len(found.log_states)}"
        raise SeqgenError(f"{name} has probability 0 under the model{where if keep else ''}")
    return found


def last_filtered(chain: Chain, emission: Emission, x: np.ndarray, name: str) -> np.ndarray:
    """Return p(state at the last observation | x), (K,).

    Raises:
        SeqgenError: if x is impossible.
    """
    found = need_possible(filtered(chain, emission, x, keep=False), name, keep=False)
    return np.exp(found.log_states[-1])


def expectation(
    chain: Chain, density: Likelihood, bounds: np.ndarray, *, memory: np.ndarray | None = None
) -> Expectation:
    """Perform the E-step over S sequences; sequence s is observations bounds[s] to bounds[s + 1] - 1.

    Args:
        memory: (T, K) buffer for the posteriors; None allocates one.
    """
    from seqgen.models.hmm.numba_inference import forward_backward
    from seqgen.models.hmm.numba_square import padded

    steps, states = len(density.rows), len(chain.start)
    posteriors = np.empty((steps, states)) if memory is None else memory
    norms, failed = np.empty(steps), np.zeros(len(bounds) - 1, np.bool_)
    pairs, transition = np.zeros((states, states)), padded(chain.transition, 0.0)
    kind, possible = _transitions(chain)
    forward_backward(
        chain.start, transition, transition.T.copy(), density.relative, density.log, density.rows, kind, possible,
        bounds, posteriors, pairs, norms, failed,
    )  # fmt: skip
    pairs = np.where(chain.transition > 0.0, pairs * chain.transition, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_prob = np.add.reduceat(np.log(norms) + density.shift[density.rows], bounds[:-1])
    for s in np.flatnonzero(failed):
        part = slice(bounds[s], bounds[s + 1])
        log_prob[s] = _log_expectation(chain, density.log[density.rows[part]], posteriors[part], pairs)
    return Expectation(posteriors, pairs, log_prob)


def _transitions(chain: Chain) -> tuple[int, np.ndarray]:
    """Return the kind of transitions for the fast kernels, and which states have predecessors, (K,) bool."""
    from seqgen.models.hmm.numba_inference import ALL_DENSE, DENSE, WITH_TINY, WITH_ZEROS

    low, positive = chain.transition < DENSE, chain.transition > 0.0
    kind = WITH_TINY if (low & positive).any() else WITH_ZEROS if low.any() else ALL_DENSE
    return kind, np.asarray(positive.any(0))


def _log_expectation(
    chain: Chain, log_density: np.ndarray, posteriors: np.ndarray, pairs: np.ndarray
) -> float:
    from seqgen.models.hmm.numba_inference import log_backward, log_forward

    log_start, log_transition = chain.log()
    norms = np.empty(len(log_density))
    if log_forward(log_start, log_transition, log_density, posteriors, norms) >= 0:
        return -np.inf
    log_backward(log_transition, log_density, norms, posteriors, pairs)
    return float(norms.sum())


def most_likely_path(chain: Chain, density: Likelihood) -> tuple[np.ndarray, float]:
    """Return the Viterbi path (T,) and its joint log-probability with the observations."""
    from seqgen.models.hmm.numba_inference import viterbi
    from seqgen.models.hmm.numba_square import padded

    log_start, log_transition = chain.log()
    path = np.empty(len(density.rows), np.int64)
    best = np.empty((len(path), len(log_start)))
    backward = np.ascontiguousarray(log_transition.T)
    transition = padded(log_transition, -np.inf)
    log_prob = viterbi(log_start, transition, backward, density.log, density.rows, best, path)
    return path, float(log_prob)
