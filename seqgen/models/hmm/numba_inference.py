"""Inference in HMMs: filter, forward-backward, Viterbi and posterior paths (Rabiner, "A tutorial on hidden Markov
models", Proc. IEEE 77, 1989).

The fast kernels use normalised probabilities, in which a state's probability may underflow to 0. If all transitions
have at least the probability `DENSE`, this has no effect, because more reaches the state from all others. Otherwise
later observations may be possible only through this state: the fast kernels then stop, and the kernels in logarithms
(`log_…`) process the sequence.
Legend: K states, P padded to whole vectors, T observations, S sequences, one after another, V symbols.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.loops import put
from seqgen.kernels.random import philox4, to_uniform
from seqgen.models.hmm.numba_square import best_sums, times
from seqgen.rng import Purpose

TINY = 1e-250
DENSE = 1e-50
"""Transitions with at least this probability outweigh lost states, which have at most 1e-323 / TINY = 1e-73."""
_POSTERIOR = int(Purpose.POSTERIOR)


@inline
def _total(row):
    """Return the sum, in four chains."""
    size = len(row)
    whole = size - size % 4
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for j in range(0, whole, 4):
        a += row[j]
        b += row[j + 1]
        c += row[j + 2]
        d += row[j + 3]
    for j in range(whole, size):
        a += row[j]
    return (a + b) + (c + d)


@inline
def _filter_step(predicted, density, now, out):
    """Set now = predicted * density / norm, and `out` to the same without padding; return the norm."""
    size = len(out)
    for j in range(size):
        now[j] = predicted[j] * density[j]
    norm = _total(now)
    scale = 1.0 / norm
    for j in range(size):
        now[j] *= scale
        out[j] = now[j]
    return norm


@inline
def _loses(predicted, log_density, filtered):
    """Return whether the probability of a possible state is too small to be continued."""
    lost = False
    for j in range(len(filtered)):
        lost |= filtered[j] < TINY and predicted[j] > 0.0 and log_density[j] > -np.inf
    return lost


@kernel
def forward(predicted, transition, relative, log_density, rows, sparse, out, norms):
    """Filter one sequence, or continue one.

    Args:
        predicted: (K,) distribution of the first state.
        transition: (P, P), from rows to columns, padded with zeros (`square.padded`).
        relative: (N, K) densities, that of observation t in row rows[t]; rows: (T,).
        log_density: (N, K), the logarithms of the densities, not relative.
        sparse: whether any transition has a probability below `DENSE`.
        out: (T, K), filled with p(state | observations so far); if it has one row, only the last is kept.
        norms: (T,), filled with p(observation | previous observations), in units of the row's largest density.

    Returns:
        whether every norm is above `TINY` and, if `sparse`, no state was lost.
    """
    row, now = np.zeros(len(transition)), np.zeros(len(transition))
    put(predicted, row)
    keep = len(out) == len(rows)
    for t in range(len(rows)):
        if t > 0:
            times(now, transition, row)
        filtered = out[t if keep else 0]
        norms[t] = _filter_step(row, relative[rows[t]], now, filtered)
        if not norms[t] > TINY or (sparse and _loses(row, log_density[rows[t]], filtered)):
            return False
    return True


@kernel
def forward_backward(
    start, transition, backward, relative, log_density, rows, sparse, bounds, posteriors, pairs, norms, failed
):
    """Compute posteriors of states and of pairs of states, for S sequences.

    Args:
        start: (K,). transition, relative, log_density, rows, sparse, norms: as in `forward`. backward: the transpose of
            transition.
        bounds: (S + 1,), the bounds of the sequences.
        posteriors: (T, K), filled with p(state | all observations).
        pairs: (K, K) to which expected transitions are added, each yet to be multiplied by `transition`.
        failed: (S,) bool, set where a norm is too small or a state was lost; such sequences add nothing to `pairs`.
    """
    size = len(start)
    row, now, beta = np.zeros(len(transition)), np.zeros(len(transition)), np.zeros(len(transition))
    for s in range(len(bounds) - 1):
        begin, end = bounds[s], bounds[s + 1]
        failed[s] = False
        put(start, row)
        for t in range(begin, end):
            if t > begin:
                times(now, transition, row)
            norms[t] = _filter_step(row, relative[rows[t]], now, posteriors[t])
            if not norms[t] > TINY or (sparse and _loses(row, log_density[rows[t]], posteriors[t])):
                failed[s] = True
                break
        if failed[s]:
            now[:] = 0.0
            continue
        beta[:size] = 1.0
        for t in range(end - 2, begin - 1, -1):
            scale = 1.0 / norms[t + 1]
            density, later = relative[rows[t + 1]], posteriors[t + 1]
            for j in range(size):
                # no path goes through a state that the filter excludes, but its beta may be infinite
                row[j] = density[j] * beta[j] * scale if later[j] > 0.0 else 0.0
            filtered = posteriors[t]
            for i in range(size):
                weight = filtered[i]
                for j in range(size):
                    pairs[i, j] += weight * row[j]
            times(row, backward, beta)
            for i in range(size):
                filtered[i] = filtered[i] * beta[i] if filtered[i] > 0.0 else 0.0


@kernel
def viterbi(log_start, log_transition, log_backward, log_density, rows, best, path):
    """Write the most likely path to `path` (T,); return its log-probability. Ties go to the lower state.

    Args:
        log_start: (K,). log_transition: (P, P) padded with -inf. log_backward: (K, K), the transpose, not padded.
        log_density: (N, K), that of observation t in row rows[t].
        best: (T, K), filled with the log-probability of the best path that ends in each state. Predecessors are not
            stored: the backward pass computes them again, for one state per step.
    """
    steps, size = best.shape
    row, now = np.empty(len(log_transition)), np.full(len(log_transition), -np.inf)
    put(log_start, row)
    for t in range(steps):
        if t > 0:
            best_sums(now, log_transition, row)
        density, kept = log_density[rows[t]], best[t]
        for j in range(size):
            now[j] = row[j] + density[j]
            kept[j] = now[j]
    state = np.argmax(best[steps - 1])
    result = best[steps - 1, state]
    path[steps - 1] = state
    for t in range(steps - 2, -1, -1):
        into = log_backward[state]
        top = -np.inf
        for i in range(size):
            value = best[t, i] + into[i]
            if value > top:
                top, state = value, i
        path[t] = state
    return result


@kernel
def posterior_paths(log_filtered, log_backward, seed, first, paths):
    """Draw paths (n, T) from p(states | observations), last state first (forward filtering, backward sampling).

    Args:
        log_filtered: (T, K) logarithm of the output of `forward`. log_backward: log transition, transposed.
        seed: of the random numbers. first: index of the first path.
    """
    steps, size = log_filtered.shape
    sums = np.empty(size)
    for n in range(len(paths)):
        state = -1
        for t in range(steps - 1, -1, -1):
            top = -np.inf
            for i in range(size):
                sums[i] = log_filtered[t, i] + (log_backward[state, i] if state >= 0 else 0.0)
                top = max(top, sums[i])
            total = 0.0
            for i in range(size):
                total += math.exp(sums[i] - top)
                sums[i] = total
            four = philox4(seed, np.uint64(first + n), np.uint64(t // 4), _POSTERIOR)
            threshold = to_uniform(four[t % 4]) * total
            state = 0
            while sums[state] <= threshold:
                state += 1
            paths[n, t] = state


@kernel
def symbol_counts(symbols, posteriors, counts):
    """Add the posteriors (T, K) of each symbol's observations to its row of `counts` (V, K)."""
    for t in range(len(symbols)):
        row = counts[symbols[t]]
        for j in range(len(row)):
            row[j] += posteriors[t, j]


# ---- in logarithms -------------------------------------------------------------------------------------


@inline
def _log_sum(values):
    top = values[0]
    for value in values[1:]:
        top = max(top, value)
    if top == -np.inf:
        return top
    total = 0.0
    for value in values:
        total += math.exp(value - top)
    return top + math.log(total)


@kernel
def log_forward(log_predicted, log_transition, log_density, out, norms):
    """Filter in logarithms, as `forward`; return the first observation that is impossible, or -1."""
    steps, size = log_density.shape
    work = np.empty(size)
    for t in range(steps):
        for j in range(size):
            if t == 0:
                out[t, j] = log_predicted[j] + log_density[t, j]
            else:
                for i in range(size):
                    work[i] = out[t - 1, i] + log_transition[i, j]
                out[t, j] = _log_sum(work) + log_density[t, j]
        norms[t] = _log_sum(out[t])
        if norms[t] == -np.inf:
            return t
        for j in range(size):
            out[t, j] -= norms[t]
    return -1


@kernel
def log_backward(log_transition, log_density, norms, posteriors, pairs):
    """Replace the log-filter in `posteriors` by posteriors, and add the expected transitions to `pairs`."""
    steps, size = log_density.shape
    beta, later, work = np.zeros(size), np.zeros(size), np.empty(size)
    for t in range(steps - 1, -1, -1):
        if t < steps - 1:
            for i in range(size):
                for j in range(size):
                    work[j] = log_transition[i, j] + log_density[t + 1, j] + later[j] - norms[t + 1]
                    pairs[i, j] += math.exp(posteriors[t, i] + work[j])
                beta[i] = _log_sum(work)
        for i in range(size):
            posteriors[t, i] += beta[i]
            later[i] = beta[i]
        # their sum is 1 up to the rounding of log-densities, which may be millions
        total = _log_sum(posteriors[t])
        for i in range(size):
            posteriors[t, i] = math.exp(posteriors[t, i] - total)
