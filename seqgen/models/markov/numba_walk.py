"""Probabilities on the automaton of a Markov chain (`seqgen.models.markov.automaton`), compiled.

Legend: a automaton, V vocabulary; symbol V is the end.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline, kernel

ROOT = 0


@inline
def place_of(symbols, low, high, symbol):
    """Return the first place from `low` on with at least `symbol`, `high` if there is none before; they ascend."""
    while low < high:
        middle = (low + high) >> 1
        if symbols[middle] < symbol:
            low = middle + 1
        else:
            high = middle
    return low


@inline
def take(a, state, symbol):
    """Return the probability of `symbol` and the state after it."""
    scale = 1.0
    while True:
        low = place_of(a.symbol, a.first[state], a.first[state + 1] - 1, symbol)
        if a.symbol[low] == symbol:
            return scale * a.full[low], a.next[low]
        if state == ROOT:
            return 0.0, a.next[low]
        scale *= a.backoff[state]
        state = a.parent[state]


@inline
def successors(a, state, probabilities, states):
    """Fill in the probability and next state of every symbol, as `Automaton.successors` does."""
    path = np.empty(len(a.lengths) + 1, np.int32)
    depth = 0
    path[0] = state
    while path[depth] != ROOT:
        path[depth + 1] = a.parent[path[depth]]
        depth += 1
    probabilities[:] = 0.0
    for length in range(depth, -1, -1):
        at = path[length]
        for v in range(len(probabilities)):
            probabilities[v] *= a.backoff[at]
        for entry in range(a.first[at], a.first[at + 1]):
            probabilities[a.symbol[entry]] = a.full[entry]
            states[a.symbol[entry]] = a.next[entry]


@inline
def collect(a, logs, state, s, probabilities):
    """Fill in the possible symbols `s` (`numba_sparse_draw.Possible`) after a state; return their number.

    Args:
        logs: (E,), the logarithms of `full`.
        probabilities: (V,) or (V + 1,) scratch memory, used if the state backs off.
    """
    if a.backoff[state] == 0.0:
        first = a.first[state]
        n = a.first[state + 1] - first
        for k in range(n):
            s.symbol[k], s.next[k], s.model[k] = a.symbol[first + k], a.next[first + k], logs[first + k]
        return n
    successors(a, state, probabilities, s.next)
    n = np.int32(len(probabilities))
    for v in range(n):
        s.symbol[v] = v
        s.model[v] = math.log(probabilities[v]) if probabilities[v] > 0.0 else -np.inf
    return n


@kernel
def logarithms(values, logs):
    """Fill `logs` with the logarithms of the positive `values`."""
    for k in range(len(values)):
        logs[k] = math.log(values[k]) if values[k] > 0.0 else -np.inf


@kernel
def score(a, state, row, log_probs):
    """Fill `log_probs` (T,) with the log-probabilities, in nats, of the symbols `row` (T,) from `state` on."""
    for t in range(len(row)):
        probability, state = take(a, state, row[t])
        log_probs[t] = math.log(probability) if probability > 0.0 else -np.inf
