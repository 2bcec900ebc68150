"""A categorical draw with controls over the possible symbols only, with the bits of `kernels.draw.draw` over all.

Symbols of probability 0 add zeros to the sums of `draw` and come last in its orders. A symbol that a control excludes
is therefore removed, and the later controls act on those that are left.

Top-p and typical sampling keep the first symbols of an order, whose sums of probabilities depend on the order. They are
found by selection, whose sums are rounded differently, instead of sorting. Where rounding may matter, the symbols are
sorted.
Legend: n possible symbols, m of them left.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.kernels.draw import _after, _kth_largest, _sort
from seqgen.kernels.softmax import exp

_FEWEST_SELECTED = 32
BUCKETS = 64
_STEEPEST = 1e300
_ROUNDING = 2.0**-50


class Possible(NamedTuple):
    """The n possible symbols of a draw, and the m of them that the controls have left so far.

    Attributes:
        symbol: int32, ascending; -inf in `model` excludes one. next: int32, the state after it.
        model: float64, log-probability under the model.
        left: int32, positions in these arrays of the symbols that are left, ascending.
        logits: float64, their unnormalised log-probabilities.
        rank, mass: float64, order: int64, and buckets: float64, scratch memory.
    """

    symbol: np.ndarray
    next: np.ndarray
    model: np.ndarray
    left: np.ndarray
    logits: np.ndarray
    rank: np.ndarray
    mass: np.ndarray
    order: np.ndarray
    buckets: np.ndarray


@inline
def possible_symbols(most):
    """Allocate `Possible` for at most `most` symbols."""
    return Possible(
        np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most), np.empty(most, np.int32),
        np.empty(most), np.empty(most), np.empty(most), np.empty(most, np.int64), np.empty(BUCKETS),
    )  # fmt: skip


@inline
def weigh_possible(s, n, repeats, controls, lane):
    """Fill `mass` with cumulative masses of the symbols that the lane's controls leave of the n; return their number.

    Args:
        repeats: whether adjacent symbols often have the same probability, because they were counted once.
    """
    parameters = controls.parameters[lane]
    top_k, top_p, min_p, typical_p = int(parameters[2]), parameters[3], parameters[4], parameters[5]
    m = _begin(s, n, parameters[0], parameters[1], controls.allowed[lane], controls.seen[lane])
    if m == 0:
        return 0
    if 0 < top_k < m:
        m = _keep_from(s, m, _kth_largest_logit(s, m, top_k))
    weighed = False
    if 0.0 < top_p < 1.0:
        if top_p * m < 0.5:
            # the most probable symbol alone reaches this fraction of the total
            m = _keep_first_largest(s, m)
        else:
            for k in range(m):
                s.rank[k] = -s.logits[k]
            m = _keep_mass(s, m, top_p, repeats, False)
            # the most probable symbol is still there
            weighed = min_p == 0.0 and not 0.0 < typical_p < 1.0
    if min_p != 0.0:
        m = _keep_from(s, m, _max(s.logits, m) + math.log(min_p))
    if 0.0 < typical_p < 1.0:
        _rank_by_typicality(s, m)
        m = _keep_mass(s, m, typical_p, repeats, True)
    _accumulate(s, m, weighed, repeats)
    return m


@inline
def draw_weighed(s, m, uniform):
    """Draw one of the m weighed symbols by inverse CDF; return its position in `left`, or -1 if there is none."""
    threshold = uniform * s.mass[m - 1] if m > 0 else 0.0
    low, high = 0, m
    while low < high:
        middle = (low + high) >> 1
        if s.mass[middle] > threshold:
            high = middle
        else:
            low = middle + 1
    return low if low < m else -1


@inline
def log_prob_under_model(s, k, normaliser):
    """Return the log-probability of the k-th symbol left, given `log_normaliser` of all in `model`."""
    return s.model[s.left[k]] - normaliser[0] - normaliser[1]


@inline
def log_prob_drawn(s, k, normaliser):
    """Return the log-probability of the k-th symbol left after the controls, given that of those in `logits`."""
    return s.logits[k] - normaliser[0] - normaliser[1]


@inline
def log_normaliser(values, n):
    """Return the two terms, to be subtracted one after the other, that normalise the first n logarithms."""
    peak = _max(values, n)
    return peak, math.log(_sum_of_exp(values, n, peak))


@inline
def _begin(s, n, penalty, temperature, allowed, seen):
    """Apply the controls that change one symbol at a time; return the number of symbols that are left."""
    m = 0
    for k in range(n):
        symbol, logit = s.symbol[k], s.model[k]
        if penalty != 0.0 and seen[symbol]:
            logit = logit / penalty if logit > 0.0 else logit * penalty
        if temperature != 0.0:
            logit /= temperature
        s.left[m], s.logits[m] = k, logit
        if allowed[symbol] and logit > -np.inf:
            m += 1
    return m


@inline
def _keep_from(s, m, threshold):
    """Keep the symbols whose logits are at least `threshold`."""
    kept = 0
    for k in range(m):
        logit = s.logits[k]
        s.left[kept], s.logits[kept] = s.left[k], logit
        if not logit < threshold:
            kept += 1
    return kept


@inline
def _keep_first_largest(s, m):
    first = 0
    for k in range(1, m):
        if s.logits[k] > s.logits[first]:
            first = k
    s.left[0], s.logits[0] = s.left[first], s.logits[first]
    return 1


@inline
def _kth_largest_logit(s, m, which):
    """Return the `which`-th largest logit; `rank` is overwritten."""
    high, low = _max(s.logits, m), _min(s.logits, m)
    scale = (BUCKETS - 1) / (high - low)
    if m < _FEWEST_SELECTED or not scale < _STEEPEST:
        for k in range(m):
            s.rank[k] = s.logits[k]
        return _kth_largest(s.rank[:m], which)
    s.buckets[:] = 0.0
    for k in range(m):
        s.buckets[int((high - s.logits[k]) * scale)] += 1.0
    bucket = 0
    while s.buckets[bucket] < which:
        which -= int(s.buckets[bucket])
        bucket += 1
    within = 0
    for k in range(m):
        s.rank[within] = s.logits[k]
        if int((high - s.logits[k]) * scale) == bucket:
            within += 1
    return _kth_largest(s.rank[:within], which)


@inline
def _rank_by_typicality(s, m):
    """Fill `rank` with the distance of the surprisal from the entropy."""
    peak = _max(s.logits, m)
    normaliser = peak + math.log(_sum_of_exp(s.logits, m, peak))
    entropy, logit, term = 0.0, np.inf, 0.0
    for k in range(m):
        if s.logits[k] != logit:
            logit = s.logits[k]
            log_p = logit - normaliser
            term = exp(log_p) * log_p
        entropy -= term
    for k in range(m):
        s.rank[k] = abs(normaliser - s.logits[k] - entropy)


@inline
def _keep_mass(s, m, p, repeats, ties):
    """Keep symbols in ascending order of `rank` while the mass before them is below the fraction p of the total.

    With `ties`, symbols that rank equal to the last one kept are kept, too.
    """
    peak, total = _max(s.logits, m), 0.0
    logit, mass = peak, 1.0
    for k in range(m):
        if not repeats or s.logits[k] != logit:
            logit = s.logits[k]
            mass = exp(logit - peak)
        s.mass[k] = mass
        total += mass
    last = -1
    if m >= _FEWEST_SELECTED:
        last = _last_selected(s, m, p * total, _ROUNDING * (m + 8) * total)
    if last < 0:
        last = _last_sorted(s, m, p)
    last_rank, kept = s.rank[last], 0
    for k in range(m):
        rank = s.rank[k]
        s.left[kept], s.logits[kept], s.mass[kept] = s.left[k], s.logits[k], s.mass[k]
        if rank < last_rank or (rank == last_rank and (ties or k <= last)):
            kept += 1
    return kept


@inline
def _last_sorted(s, m, p):
    """Return the last symbol before which the mass is below the fraction p of the total."""
    _sort(s.rank[:m], s.order[:m])
    total = 0.0
    for k in range(m):
        total += s.mass[s.order[k]]
    before, last = s.mass[s.order[0]], 0
    while last + 1 < m and before < p * total:
        last += 1
        before += s.mass[s.order[last]]
    return s.order[last]


@inline
def _last_selected(s, m, wanted, margin):
    """Return the last symbol before which the mass is below `wanted`; -1 if a sum is within `margin` of it."""
    low, high = _min(s.rank, m), _max(s.rank, m)
    scale = (BUCKETS - 1) / (high - low)
    if not scale < _STEEPEST:
        return -1
    s.buckets[:] = 0.0
    for k in range(m):
        s.buckets[int((s.rank[k] - low) * scale)] += s.mass[k]
    bucket, before = 0, 0.0
    while bucket < BUCKETS - 1 and before + s.buckets[bucket] <= wanted - margin:
        before += s.buckets[bucket]
        bucket += 1
    if before + s.buckets[bucket] <= wanted + margin:
        return -1
    within = 0
    for k in range(m):
        s.order[within] = k
        if int((s.rank[k] - low) * scale) == bucket:
            within += 1
    return _last_within(s, within, before, wanted, margin)


@inline
def _last_within(s, within, before, wanted, margin):
    """Return the same as `_last_selected`, which is among the first `within` of `order`; the mass before is given."""
    order = s.order
    low, high, leading = 0, within, before == 0.0
    while low < high:
        middle = (low + high) >> 1
        pivot = order[middle]
        order[middle], order[high - 1] = order[high - 1], pivot
        first, mass = low, before
        for k in range(low, high - 1):
            at = order[k]
            if _after(s.rank, pivot, at):
                order[k], order[first] = order[first], at
                first += 1
                mass += s.mass[at]
        order[high - 1], order[first] = order[first], pivot
        # the first symbol of all is always kept
        if leading and first == 0:
            low, before = 1, mass + s.mass[pivot]
        elif abs(mass - wanted) <= margin:
            return -1
        elif mass < wanted:
            low, before = first + 1, mass + s.mass[pivot]
        else:
            high = first
    return order[low - 1] if low > 0 else -1


@inline
def _accumulate(s, m, weighed, repeats):
    """Fill `mass` with the cumulative sums of the exponentials of the logits, less the largest.

    Args:
        weighed: whether `mass` has these exponentials.
    """
    top, total = _max(s.logits, m), 0.0
    logit, mass = top, 1.0
    for k in range(m):
        if weighed:
            mass = s.mass[k]
        elif not repeats or s.logits[k] != logit:
            logit = s.logits[k]
            mass = exp(logit - top)
        total += mass
        s.mass[k] = total


@inline
def _max(values, n):
    top = values[0]
    for k in range(1, n):
        if values[k] > top:
            top = values[k]
    return top


@inline
def _min(values, n):
    low = values[0]
    for k in range(1, n):
        if values[k] < low:
            low = values[k]
    return low


@inline
def _sum_of_exp(values, n, peak):
    total, value, mass = 0.0, peak, 1.0
    for k in range(n):
        if values[k] != value:
            value = values[k]
            mass = exp(value - peak)
        total += mass
    return total
