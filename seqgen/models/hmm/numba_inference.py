"""Inference in HMMs: filter, forward-backward, Viterbi and posterior paths (Rabiner, "A tutorial on hidden Markov
models", Proc. IEEE 77, 1989).

The fast kernels use normalised probabilities, in which a state's probability may underflow to 0. If all transitions
have at least the probability `DENSE`, this has no effect, because more reaches every state from all others. Otherwise
a lost state matters if some state of the next step is hardly reached from those that are left: the fast kernels then
stop, and the kernels in logarithms (`log_…`) process the sequence.
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
"""States with less are lost: the next products may underflow."""
FAINT = 1e-230
"""Predictions of at least this outweigh what lost states would add, which is at most K · TINY."""
UNLIKELY = 1e-70
"""Norms of observations that fit so badly that relative densities may matter though they have underflowed."""
DENSE = 1e-50
"""If all transitions have at least this probability, every prediction outweighs lost states, 1e-323 / TINY = 1e-73."""
ALL_DENSE, WITH_ZEROS, WITH_TINY = 0, 1, 2
"""Kinds of transitions: all of at least `DENSE`, some 0, some positive but below `DENSE`."""
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
def _loses(kind, possible, predicted, log_density, filtered, norm):
    """Return what became of the states with small probabilities.

    0: none was lost. 1: some were, with less than `TINY`. 2: the probability of a state that may matter is inaccurate.
    """
    # a relative density that has underflowed, below 1e-323, is less than TINY of the norm
    small = 1 if norm > UNLIKELY else 2
    lost = 0
    for j in range(len(filtered)):
        if log_density[j] == -np.inf:
            continue
        if kind == WITH_TINY and possible[j] and predicted[j] < FAINT:
            # products of tiny transitions may have underflowed
            lost = max(lost, small if filtered[j] < TINY else 2)
        elif filtered[j] < TINY and predicted[j] > 0.0:
            lost = max(lost, small)
    return lost


@inline
def _faint(possible, predicted):
    """Return whether a state that has predecessors is hardly reached."""
    faint = False
    for j in range(len(possible)):
        faint |= possible[j] and predicted[j] < FAINT
    return faint


@kernel
def forward(predicted, transition, relative, log_density, rows, kind, possible, lost, out, norms):
    """Filter one sequence, or continue one.

    Args:
        predicted: (K,) distribution of the first state.
        transition: (P, P), from rows to columns, padded with zeros (`square.padded`).
        relative: (N, K) densities, that of observation t in row rows[t]; rows: (T,).
        log_density: (N, K), the logarithms of the densities, not relative.
        kind: of transitions. possible: (K,) bool, the states that have predecessors.
        lost: whether states may have been lost before.
        out: (T, K), filled with p(state | observations so far); if it has one row, only the last is kept.
        norms: (T,), filled with p(observation | previous observations), in units of the row's largest density.

    Returns:
        whether every norm is above `TINY`, and no lost state matters.
    """
    row, now = np.zeros(len(transition)), np.zeros(len(transition))
    put(predicted, row)
    keep = len(out) == len(rows)
    for t in range(len(rows)):
        if t > 0:
            times(now, transition, row)
        if lost and _faint(possible, row):
            return False
        filtered = out[t if keep else 0]
        norms[t] = _filter_step(row, relative[rows[t]], now, filtered)
        if not norms[t] > TINY:
            return False
        now_lost = (
            _loses(kind, possible, row, log_density[rows[t]], filtered, norms[t]) if kind != ALL_DENSE else 0
        )
        if now_lost == 2:
            return False
        lost = now_lost == 1
    return True


@kernel
def forward_backward(
    start,
    transition,
    backward,
    relative,
    log_density,
    rows,
    kind,
    possible,
    bounds,
    posteriors,
    pairs,
    norms,
    failed,
):
    """Compute posteriors of states and of pairs of states, for S sequences.

    Args:
        start: (K,). transition, relative, log_density, rows, kind, possible, norms: as in `forward`. backward: the
            transpose of transition.
        bounds: (S + 1,), the bounds of the sequences.
        posteriors: (T, K), filled with p(state | all observations).
        pairs: (K, K) to which expected transitions are added, each yet to be multiplied by `transition`.
        failed: (S,) bool, set where a norm is too small or a lost state matters; such sequences add nothing to `pairs`.
    """
    size = len(start)
    row, now, beta = np.zeros(len(transition)), np.zeros(len(transition)), np.zeros(len(transition))
    for s in range(len(bounds) - 1):
        begin, end = bounds[s], bounds[s + 1]
        failed[s] = lost = False
        put(start, row)
        for t in range(begin, end):
            if t > begin:
                times(now, transition, row)
            if lost and _faint(possible, row):
                failed[s] = True
                break
            norms[t] = _filter_step(row, relative[rows[t]], now, posteriors[t])
            if not norms[t] > TINY:
                failed[s] = True
                break
            now_lost = (
                _loses(kind, possible, row, log_density[rows[t]], posteriors[t], norms[t])
                if kind != ALL_DENSE
                else 0
            )
            if now_lost == 2:
                failed[s] = True
                break
            lost = now_lost == 1
        if failed[s]:
            now[:] = 0.0
            continue
        beta[:size] = 1.0
        for t in range(end - 2, begin - 1, -1):
            scale = 1.0 / norms[t + 1]
            density, later = relative[rows[t + 1]], posteriors[t + 1]
            for j in range(size):
                # hardly any path goes through a state that the filter excludes, but its beta may be infinite
                row[j] = density[j] * beta[j] * scale if later[j] >= TINY else 0.0
            filtered = posteriors[t]
            for i in range(size):
                weight = filtered[i]
                for j in range(size):
                    pairs[i, j] += weight * row[j]
            times(row, backward, beta)
            for i in range(size):
                filtered[i] = filtered[i] * beta[i] if filtered[i] >= TINY else 0.0


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
