"""Which symbols top-p keeps after a state whose masses are those of `numba_shared.Shared`, but for m successors.

All symbols are in one order, by descending mass and then by symbol; those before which the mass is below a bound are
kept. Among the symbols that are no successors, the order is that of the empty context.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.draw import _sort

_CLOSE = 1e-13


@inline
def first_left_out(shared, s, m, factor, log_factor, close, wanted, margin):
    """Set the masses of successors that are left out to 0; return the place in `order` from which on the others are.

    Args:
        s: `numba_sparse_draw.Possible` with symbol, logits and mass of the m successors.
        factor: of the masses of the empty context. log_factor: its logarithm, without normalisation of the logits.
        close: multiples of the rounding of 1 in a logit, besides those of the logit.
        wanted: the mass before a symbol that is kept is below it. margin: the rounding in a mass.

    Returns:
        -1 if rounding may matter.
    """
    low = _reaching(shared, s, m, factor, log_factor, wanted)
    above = shared.logits[low - 1] + log_factor if low > 0 else np.inf
    below = shared.logits[low] + log_factor if low < len(shared.order) else -np.inf
    if low > 0 and not _before(shared, s, m, factor, log_factor, low - 1) < wanted - margin:
        return -1
    if low < len(shared.order) and not _before(shared, s, m, factor, log_factor, low) > wanted + margin:
        return -1
    # the successors between the last symbol of the empty context that is kept and the first that is not
    before, between = factor * shared.descending[low], 0
    for k in range(m):
        logit = s.logits[k]
        if shared.rank[s.symbol[k]] < low:
            before -= factor * shared.masses[s.symbol[k]]
        near = _CLOSE * (abs(logit) + close)
        if logit > -np.inf and (abs(logit - above) <= near or abs(logit - below) <= near):
            return -1
        if logit > above:
            before += s.mass[k]
        elif logit > below:
            s.left[between], s.rank[between] = k, -logit
            between += 1
        else:
            s.mass[k] = 0.0
    _sort(s.rank[:between], s.order[:between])
    for k in range(between):
        at = s.left[s.order[k]]
        if abs(before - wanted) <= margin:
            return -1
        before += s.mass[at]
        if before - s.mass[at] > wanted:
            s.mass[at] = 0.0
    return low


@inline
def _reaching(shared, s, m, factor, log_factor, wanted):
    """Return the first place in `order` before which the mass is at least `wanted`, or V."""
    # successors of which it is not yet known whether they come before the place, and whether they do in `order`
    unknown, unknown_in_order = m, m
    for k in range(m):
        s.left[k], s.order[k] = k, k
    low, high, known = 0, len(shared.order), 0.0
    while low < high:
        middle = (low + high) >> 1
        logit, more = shared.logits[middle] + log_factor, 0.0
        for i in range(unknown):
            if s.logits[s.left[i]] > logit:
                more += s.mass[s.left[i]]
        for i in range(unknown_in_order):
            v = s.symbol[s.order[i]]
            if shared.rank[v] < middle:
                more -= factor * shared.masses[v]
        later = known + more + factor * shared.descending[middle] < wanted
        if later:
            low = middle + 1
            known += more
        else:
            high = middle
        kept = 0
        for i in range(unknown):
            k = s.left[i]
            s.left[kept] = k
            if (s.logits[k] > logit) != later:
                kept += 1
        unknown, kept = kept, 0
        for i in range(unknown_in_order):
            at = s.order[i]
            s.order[kept] = at
            if (shared.rank[s.symbol[at]] < middle) != later:
                kept += 1
        unknown_in_order = kept
    return low


@inline
def _before(shared, s, m, factor, log_factor, place):
    """Return the mass of the symbols before that at a place in `order`."""
    mass = factor * shared.descending[place]
    logit = shared.logits[place] + log_factor
    for k in range(m):
        if s.logits[k] > logit:
            mass += s.mass[k]
        if shared.rank[s.symbol[k]] < place:
            mass -= factor * shared.masses[s.symbol[k]]
    return mass
