"""Rows of smoothed chains under a temperature, allowed symbols and top-p, which share the empty context.

The masses after a state are those of the empty context times a factor, but for the successors of the state and of the
contexts to which it backs off. So a cumulative mass is a product plus a sum over these successors. It is rounded
differently than the sum over all symbols by which a draw is defined; where that may matter, the caller draws from all.
Top-p keeps some successors and, of the other symbols, the first ones by descending mass in the empty context.
Legend: V symbols, with the end; m successors.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.softmax import exp
from seqgen.models.markov.numba_rows import room_for
from seqgen.models.markov.numba_shared import cumulative
from seqgen.models.markov.numba_sparse_draw import BUCKETS
from seqgen.models.markov.numba_top_p import first_left_out

ROOT = 0
# `Possible.buckets` has to hold a number per context length
DEEPEST = BUCKETS
_ROUNDING = 2.0**-48


@inline
def keep_mixture(a, logs, rows, shared, state, s, controls, lane):
    """Keep the row of a state that backs off, if there is room and rounding does not matter; return its place, or 0.

    The two entries before those of the successors have the factor, with the number of symbols of the empty context, by
    descending mass, that top-p keeps, and the bound of the rounding in any sum, with the number of successors.

    Args:
        shared: `numba_shared.Shared`.
        s: `numba_sparse_draw.Possible`, scratch memory.
    """
    temperature, top_p = controls.parameters[lane, 1], controls.parameters[lane, 3]
    if temperature == 0.0:
        temperature = 1.0
    m, depth, log_factor = _collect_successors(a, logs, state, s)
    size = len(shared.masses)
    log_factor /= temperature
    top = shared.top[0] + log_factor
    for k in range(m):
        s.logits[k] = s.model[k] / temperature if controls.allowed[lane, s.symbol[k]] else -np.inf
        top = max(top, s.logits[k])
    factor = exp(shared.top[0] + log_factor - top)
    total = factor * shared.cumulative[size]
    for k in range(m):
        s.mass[k] = exp(s.logits[k] - top)
        total += s.mass[k] - factor * shared.masses[s.symbol[k]]
    terms = size + abs(log_factor) + abs(shared.top[0]) + abs(top) + (depth + 3) / temperature + 16
    margin = _ROUNDING * terms * total
    first_out = size
    if 0.0 < top_p < 1.0:
        first_out = first_left_out(
            shared, s, m, factor, log_factor, (depth + 3) / temperature, top_p * total, margin
        )
        if first_out < 0:
            return 0
    begin = room_for(rows, m + 2)
    if begin < 0:
        return 0
    kept, running = 0, 0.0
    for k in range(m):
        v = s.symbol[k]
        shares = first_out == size or shared.rank[v] < first_out
        if shares or s.mass[k] > 0.0:
            running += s.mass[k] - (factor * shared.masses[v] if shares else 0.0)
            entry = begin + 2 + kept
            rows.entries[entry].mass, rows.entries[entry].symbol, rows.entries[entry].next = (
                running,
                v,
                s.next[k],
            )
            kept += 1
    rows.used[0] -= m - kept
    rows.entries[begin].mass, rows.entries[begin].symbol = factor, first_out
    rows.entries[begin + 1].mass, rows.entries[begin + 1].symbol = margin, kept
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
    size, first_out = len(shared.masses), rows.entries[place - 2].symbol
    total = factor * cumulative(shared, first_out, size)
    if m > 0:
        total += rows.entries[place + m - 1].mass
    threshold = uniform * total
    low, high = 0, m
    while low < high:
        middle = (low + high) >> 1
        entry = rows.entries[place + middle]
        if factor * cumulative(shared, first_out, entry.symbol + 1) + entry.mass > threshold:
            high = middle
        else:
            low = middle + 1
    found, own, begin, end = low, 0.0, 0, size
    if found > 0:
        own, begin = rows.entries[place + found - 1].mass, rows.entries[place + found - 1].symbol + 1
    if found < m:
        end = rows.entries[place + found].symbol
    below = factor * cumulative(shared, first_out, end) + own
    if begin < end and below > threshold:
        # among the symbols between two successors
        low, high = begin, end
        while low < high:
            middle = (low + high) >> 1
            if factor * cumulative(shared, first_out, middle + 1) + own > threshold:
                high = middle
            else:
                low = middle + 1
        symbol, after = low, a.next[low]
        below = factor * cumulative(shared, first_out, low) + own
        above = factor * cumulative(shared, first_out, low + 1) + own
    elif found < m:
        symbol, after = rows.entries[place + found].symbol, rows.entries[place + found].next
        above = factor * cumulative(shared, first_out, symbol + 1) + rows.entries[place + found].mass
    else:
        return np.int32(-1), np.int32(0)
    if not (threshold - below > margin and above - threshold > margin):
        return np.int32(-1), np.int32(0)
    return np.int32(symbol), after
