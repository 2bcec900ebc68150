"""The few most probable successors of a context, where the controls certainly exclude all others.

Top-k, min-p and greedy decoding exclude what is below a threshold that the most probable symbols alone determine. They
are read in descending order of probability until the threshold is above all others.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.draw import _kth_largest
from seqgen.models.markov.automaton import Automaton

# the fewest successors of a context for which this is worthwhile, and the most that are read
_MANY, _MOST = 64, 1024
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
    parameters, allowed, seen = controls.parameters[lane], controls.allowed[lane], controls.seen[lane]
    penalty, temperature, top_k = parameters[0], parameters[1], int(parameters[2])
    top_p, min_p = parameters[3], parameters[4]
    first = a.first[state]
    n = a.first[state + 1] - first
    greedy, by_peak = 0.0 < top_p * n < 0.5, min_p > 0.0 and not 0.0 < top_p < 1.0
    # a penalty below 1 raises probabilities
    if n < _MANY or a.backoff[state] != 0.0 or 0.0 < penalty < 1.0 or not (top_k > 0 or greedy or by_peak):
        return -1
    reading = 2 * top_k + 16
    while reading < min(n, _MOST):
        m, peak = 0, -np.inf
        for k in range(reading):
            at = first + order[first + k]
            logit = logs[at]
            if penalty != 0.0 and seen[a.symbol[at]]:
                logit = logit / penalty if logit > 0.0 else logit * penalty
            if temperature != 0.0:
                logit /= temperature
            if allowed[a.symbol[at]]:
                s.logits[m], s.order[m] = logit, at
                peak = max(peak, logit)
                m += 1
        threshold = -np.inf
        if 0 < top_k <= m:
            for k in range(m):
                s.rank[k] = s.logits[k]
            threshold = _kth_largest(s.rank[:m], top_k)
        if greedy:
            threshold = peak
        if by_peak:
            threshold = max(threshold, peak + math.log(min_p))
        others = logs[first + order[first + reading]]
        if temperature != 0.0:
            others /= temperature
        if others + _ROUNDING * abs(others) < threshold:
            return _fill(a, logs, s, m, threshold)
        reading *= 4
    return -1


@inline
def _fill(a, logs, s, m, threshold):
    """Fill in the symbols whose logits are at least `threshold`, ascending (insertion sort)."""
    kept = 0
    for k in range(m):
        if s.logits[k] >= threshold:
            at, place = s.order[k], kept
            while place > 0 and s.order[place - 1] > at:
                s.order[place] = s.order[place - 1]
                place -= 1
            s.order[place] = at
            kept += 1
    for k in range(kept):
        at = s.order[k]
        s.symbol[k], s.next[k], s.model[k] = a.symbol[at], a.next[at], logs[at]
    return kept
