"""The few most probable symbols after a context, where the controls certainly exclude all others.

Top-k, min-p and greedy decoding exclude what is below a threshold that the most probable symbols alone determine. They
are read in descending order of probability, from the context and those to which it backs off, until the threshold is
above all others.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.draw import _kth_largest
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.numba_walk import place_of

# the fewest successors of a context for which this is worthwhile, the most that are read, and the most that are sorted
_MANY, _MOST, _MOST_KEPT = 64, 4096, 512
_ROUNDING = 1e-12


def descending(automaton: Automaton) -> np.ndarray:
    """Return the positions among the successors (E,) int32 of every context, the most probable first.

    Those of contexts with few successors are undefined.
    """
    order = np.zeros(len(automaton.full), np.int32)
    for state in np.flatnonzero(np.diff(automaton.first) >= _MANY).tolist():
        own = slice(automaton.first[state], automaton.first[state + 1])
        order[own] = np.argsort(-automaton.full[own], kind="stable")
    return order


@inline
def collect_largest(a, logs, order, state, s, controls, lane):
    """Fill in the symbols `s` (`numba_sparse_draw.Possible`) that the controls of a lane may leave.

    Args:
        logs: (E,), the logarithms of `full`. order: (E,), from `descending`.

    Returns:
        Their number; -1 if they may be many.
    """
    parameters = controls.parameters[lane]
    penalty, top_k, top_p, min_p = parameters[0], int(parameters[2]), parameters[3], parameters[4]
    n = a.first[state + 1] - a.first[state] if a.backoff[state] == 0.0 else len(s.symbol)
    greedy, by_peak = 0.0 < top_p * n < 0.5, min_p > 0.0 and not 0.0 < top_p < 1.0
    # a penalty below 1 raises probabilities
    if (
        n < _MANY
        or 0.0 < penalty < 1.0
        or not (top_k > 0 or greedy or by_peak)
        or len(a.lengths) >= len(s.left)
    ):
        return -1
    reading = top_k + 8
    if reading >= min(n, _MOST):
        return -1
    m = _read(a, logs, order, state, reading, s, controls, lane)
    # the symbols that are not read yet can only raise the threshold
    m = _read_on(
        a, logs, order, state, reading, s, m, _threshold(s, m, top_k, min_p, greedy, by_peak), controls, lane
    )
    return _keep(s, m, _threshold(s, m, top_k, min_p, greedy, by_peak)) if m > 0 else -1


@inline
def _threshold(s, m, top_k, min_p, greedy, by_peak):
    """Return the smallest logit that the controls leave, if there are only the m symbols read."""
    peak = -np.inf
    for k in range(m):
        s.rank[k] = s.logits[k]
        peak = max(peak, s.logits[k])
    if greedy:
        return peak
    threshold = _kth_largest(s.rank[:m], top_k) if 0 < top_k <= m else -np.inf
    return max(threshold, peak + math.log(min_p)) if by_peak else threshold


@inline
def _read(a, logs, order, state, reading, s, controls, lane):
    """Fill in the `reading` most probable successors of a state, and of each shorter context to which it backs off.

    Their logits are those after penalty and temperature. Returns their number; `left` has the contexts.
    """
    path, depth, m = s.left, 0, 0
    path[0] = state
    while True:
        first = a.first[path[depth]]
        size = a.first[path[depth] + 1] - first
        # those of few are not in descending order
        for k in range(size if size < _MANY else min(reading, size)):
            at = first + (order[first + k] if size >= _MANY else k)
            if controls.allowed[lane, a.symbol[at]] and not _follows_longer(a, path, depth, a.symbol[at]):
                m = _add(a, at, _logarithm(a, logs, path, depth, at), s, m, -np.inf, controls, lane)
        if a.backoff[path[depth]] == 0.0:
            return m
        path[depth + 1] = a.parent[path[depth]]
        depth += 1


@inline
def _read_on(a, logs, order, state, reading, s, m, threshold, controls, lane):
    """Add to the m symbols of `_read` the others whose logits are at least `threshold`; return the number, or -1."""
    path, depth, unread = s.left, 0, _MOST
    temperature = controls.parameters[lane, 1]
    while threshold > -np.inf:
        first = a.first[path[depth]]
        size = a.first[path[depth] + 1] - first
        for k in range(reading, size if size >= _MANY else 0):
            at = first + order[first + k]
            log_p = _logarithm(a, logs, path, depth, at)
            most = log_p / temperature if temperature != 0.0 else log_p
            if most + _ROUNDING * abs(most) < threshold:
                break
            unread -= 1
            if unread == 0:
                return -1
            symbol = a.symbol[at]
            if controls.allowed[lane, symbol]:
                longer = _add(a, at, log_p, s, m, threshold, controls, lane)
                if longer > m and not _follows_longer(a, path, depth, symbol):
                    m = longer
        if a.backoff[path[depth]] == 0.0:
            return m
        depth += 1
    return -1


@inline
def _add(a, at, log_p, s, m, threshold, controls, lane):
    """Add a successor to the m symbols if its logit is at least `threshold`; return the number of symbols."""
    penalty, temperature, symbol, logit = (
        controls.parameters[lane, 0],
        controls.parameters[lane, 1],
        a.symbol[at],
        log_p,
    )
    if penalty != 0.0 and controls.seen[lane, symbol]:
        logit = logit / penalty if logit > 0.0 else logit * penalty
    if temperature != 0.0:
        logit /= temperature
    # a duplicate of a symbol that was read may come when all were
    if logit < threshold or m == len(s.symbol):
        return m
    s.symbol[m], s.next[m], s.model[m], s.logits[m] = symbol, a.next[at], log_p, logit
    return m + 1


@inline
def _follows_longer(a, path, depth, symbol):
    """Return whether a symbol is also a successor of one of the first `depth` contexts of `path`."""
    for k in range(depth):
        if a.symbol[place_of(a.symbol, a.first[path[k]], a.first[path[k] + 1] - 1, symbol)] == symbol:
            return True
    return False


@inline
def _logarithm(a, logs, path, depth, at):
    """Return the log-probability of a successor of path[depth] after path[0], rounded as by `numba_walk.collect`."""
    if depth == 0:
        return logs[at]
    probability = a.full[at]
    for k in range(depth - 1, -1, -1):
        probability *= a.backoff[path[k]]
    return math.log(probability) if probability > 0.0 else -np.inf


@inline
def _keep(s, m, threshold):
    """Keep the symbols whose logits are at least `threshold`, ascending (insertion sort); return how many, or -1."""
    kept = 0
    for k in range(m):
        if s.logits[k] >= threshold:
            if kept == _MOST_KEPT:
                return -1
            symbol, after, log_p, place = s.symbol[k], s.next[k], s.model[k], kept
            while place > 0 and s.symbol[place - 1] > symbol:
                s.symbol[place], s.next[place], s.model[place] = (
                    s.symbol[place - 1],
                    s.next[place - 1],
                    s.model[place - 1],
                )
                place -= 1
            s.symbol[place], s.next[place], s.model[place] = symbol, after, log_p
            kept += 1
    return kept
