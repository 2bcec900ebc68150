"""Rows of smoothed chains under a temperature and allowed symbols, which share the masses of the empty context.

The masses after a state are those of the empty context times a factor, but for the successors of the state and of the
contexts to which it backs off. So a cumulative mass is a product plus a sum over these successors. It is rounded
differently than the sum over all symbols by which a draw is defined; where that may matter, the caller draws from all.
Legend: V symbols, with the end; m successors.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline, kernel
from seqgen.models.markov.numba_rows import room_for
from seqgen.models.markov.numba_sparse_draw import BUCKETS

ROOT = 0
# a lower temperature magnifies the rounding of probabilities
COLDEST = 0.01
# `Possible.buckets` has to hold a number per context length
DEEPEST = BUCKETS
_ROUNDING = 2.0**-49


@kernel
def share(logs, temperature, allowed, shared):
    """Fill in the logit of the most probable symbol allowed (V,) in the empty context, and masses relative to its.

    Args:
        logs: (E,), the logarithms of `full`; the first are those of the empty context, which has all symbols.
        shared: (V + 2,) float64, the logit, which is -inf if no symbol is allowed, and the masses of the first 0 to V
            symbols.
    """
    top, total = -np.inf, 0.0
    for v in range(len(allowed)):
        if allowed[v]:
            top = max(top, logs[v] / temperature)
    shared[0], shared[1] = top, 0.0
    for v in range(len(allowed)):
        if allowed[v]:
            total += math.exp(logs[v] / temperature - top)
        shared[v + 2] = total


@inline
def keep_mixture(a, logs, rows, shared, state, s, controls, lane):
    """Keep the row of a state that backs off, if there is room; return its place, or 0.

    Its two entries before those of the m successors are the factor, and m with the bound of the rounding in any sum.

    Args:
        shared: from `share`.
        s: `numba_sparse_draw.Possible`, scratch memory.
    """
    temperature = controls.parameters[lane, 1]
    if temperature == 0.0:
        temperature = 1.0
    m, depth, log_factor = _collect_successors(a, logs, state, s)
    begin = room_for(rows, m + 2)
    if begin < 0:
        return 0
    log_factor /= temperature
    top = shared[0] + log_factor
    for k in range(m):
        s.logits[k] = s.model[k] / temperature
        if controls.allowed[lane, s.symbol[k]]:
            top = max(top, s.logits[k])
    factor = math.exp(shared[0] + log_factor - top)
    total = 0.0
    for k in range(m):
        v = s.symbol[k]
        if controls.allowed[lane, v]:
            total += math.exp(s.logits[k] - top) - factor * (shared[v + 2] - shared[v + 1])
        rows.entries[begin + 2 + k].mass = total
        rows.entries[begin + 2 + k].symbol = v
        rows.entries[begin + 2 + k].next = s.next[k]
    size = len(shared) - 2
    total += factor * shared[size + 1]
    terms = size + abs(log_factor) + abs(shared[0]) + abs(top) + (depth + 3) / temperature + 16
    rows.entries[begin].mass = factor
    rows.entries[begin + 1].mass = _ROUNDING * terms * total
    rows.entries[begin + 1].symbol = m
    rows.place[state] = begin + 2
    return begin + 2


@inline
def _collect_successors(a, logs, state, s):
    """Fill in the successors of a state and of all contexts but the empty one to which it backs off, ascending.

    Returns:
        (number of them, number of contexts, logarithm of the factor of the empty context)
    """
    first, m = a.first[state], a.first[state + 1] - a.first[state]
    for k in range(m):
        s.symbol[k], s.next[k], s.model[k] = a.symbol[first + k], a.next[first + k], logs[first + k]
    path, depth, log_factor = s.buckets, 0, 0.0
    path[0] = a.backoff[state]
    at = a.parent[state]
    while at != ROOT:
        m = _merge(a, at, path, depth, s, m)
        depth += 1
        path[depth] = a.backoff[at]
        at = a.parent[at]
    for k in range(depth + 1):
        log_factor += math.log(path[k])
    return m, depth + 1, log_factor


@inline
def _merge(a, at, path, depth, s, m):
    """Insert the successors of the shorter context `at` among the first m symbols, where they are not yet there."""
    entry, end, k, merged = a.first[at], a.first[at + 1], 0, 0
    while k < m or entry < end:
        if k < m and (entry == end or s.symbol[k] <= a.symbol[entry]):
            if entry < end and a.symbol[entry] == s.symbol[k]:
                entry += 1
            s.left[merged], s.order[merged], s.rank[merged] = s.symbol[k], s.next[k], s.model[k]
            k += 1
        else:
            probability = a.full[entry]
            for longer in range(depth, -1, -1):
                probability *= path[longer]
            s.left[merged], s.order[merged], s.rank[merged] = (
                a.symbol[entry],
                a.next[entry],
                math.log(probability),
            )
            entry += 1
        merged += 1
    for k in range(merged):
        s.symbol[k], s.next[k], s.model[k] = s.left[k], s.order[k], s.rank[k]
    return merged


@inline
def draw_from_mixture(a, rows, place, shared, uniform):
    """Draw by inverse CDF; return (symbol, next state), where the symbol is -1 if rounding may matter."""
    m, factor, margin = (
        rows.entries[place - 1].symbol,
        rows.entries[place - 2].mass,
        rows.entries[place - 1].mass,
    )
    size = len(shared) - 2
    total = factor * shared[size + 1]
    if m > 0:
        total += rows.entries[place + m - 1].mass
    threshold = uniform * total
    low, high = 0, m
    while low < high:
        middle = (low + high) >> 1
        entry = rows.entries[place + middle]
        if factor * shared[entry.symbol + 2] + entry.mass > threshold:
            high = middle
        else:
            low = middle + 1
    found, own, begin, end = low, 0.0, 0, size
    if found > 0:
        own, begin = rows.entries[place + found - 1].mass, rows.entries[place + found - 1].symbol + 1
    if found < m:
        end = rows.entries[place + found].symbol
    below = factor * shared[end + 1] + own
    if begin < end and below > threshold:
        # among the symbols between two successors
        low, high = begin, end
        while low < high:
            middle = (low + high) >> 1
            if factor * shared[middle + 2] + own > threshold:
                high = middle
            else:
                low = middle + 1
        symbol, after = low, a.next[low]
        below, above = factor * shared[low + 1] + own, factor * shared[low + 2] + own
    elif found < m:
        symbol, after = rows.entries[place + found].symbol, rows.entries[place + found].next
        above = factor * shared[symbol + 2] + rows.entries[place + found].mass
    else:
        return np.int32(-1), np.int32(0)
    if not (threshold - below > margin and above - threshold > margin):
        return np.int32(-1), np.int32(0)
    return np.int32(symbol), after
