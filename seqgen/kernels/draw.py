"""One fused categorical draw with controls: the compiled form of `BoundControls.apply` and `rng.categorical`.

Everything is in float64, over V symbols, without allocation.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from seqgen.kernels.chain import call_chain
from seqgen.kernels.compile import inline
from seqgen.kernels.loops import put
from seqgen.kernels.softmax import exp, exponentials, largest


class DrawScratch(NamedTuple):
    """Scratch memory for draws over V symbols.

    Attributes:
        logits: (V,) float64, filled by the caller with unnormalised log-probabilities.
        order: (V,) int64. work: (2, V) float64.
    """

    logits: np.ndarray
    order: np.ndarray
    work: np.ndarray


@inline
def draw_scratch(symbols):
    """Allocate scratch memory for draws over `symbols` symbols."""
    return DrawScratch(
        np.empty(symbols, np.float64), np.empty(symbols, np.int64), np.empty((2, symbols), np.float64)
    )


@inline
def draw(scratch, controls, lane, uniform, log_probs):
    """Draw a symbol of a lane by inverse CDF, after applying its controls.

    Args:
        scratch: `DrawScratch`; its logits are overwritten with those after the controls.
        controls: `LaneControlArrays` of all lanes.
        uniform: in (0, 1).
        log_probs: whether to compute the two log-probabilities.

    Returns:
        (symbol, its log-probability under the model, the same after the controls); symbol is -1 if no symbol is left.
    """
    logits, work = scratch.logits, scratch.work
    if not controls.reshapes[lane]:
        symbol = _inverse_cdf(logits, work[0], uniform)
        value = _log_prob(logits, work[0], symbol) if log_probs and symbol >= 0 else 0.0
        return symbol, value, value
    if log_probs:
        # keep the model's values, which the controls overwrite
        put(logits, work[1])
    parameters, allowed, seen = controls.parameters[lane], controls.allowed[lane], controls.seen[lane]
    if not call_chain(controls.chain[0], logits, parameters, allowed, seen, scratch.order, work[0]):
        return -1, 0.0, 0.0
    symbol = _inverse_cdf(logits, work[0], uniform)
    if symbol < 0 or not log_probs:
        return symbol, 0.0, 0.0
    return symbol, _log_prob(work[1], work[0], symbol), _log_prob(logits, work[0], symbol)


@inline
def apply_controls(logits, parameters, allowed, seen, order, work):
    """Apply the controls of `seqgen.controls` in place and in order; return False if no symbol is left."""
    size = len(logits)
    penalty, temperature, top_k = parameters[0], parameters[1], int(parameters[2])
    top_p, min_p, typical_p = parameters[3], parameters[4], parameters[5]
    left = 0
    for v in range(size):
        if not allowed[v]:
            logits[v] = -np.inf
        elif penalty != 0.0 and seen[v]:
            logits[v] = logits[v] / penalty if logits[v] > 0.0 else logits[v] * penalty
        if temperature != 0.0:
            logits[v] /= temperature
        if logits[v] > -np.inf:
            left += 1
    if left == 0:
        return False
    if 0 < top_k < size:
        for v in range(size):
            work[v] = logits[v]
        threshold = _kth_largest(work, top_k)
        for v in range(size):
            if logits[v] < threshold:
                logits[v] = -np.inf
    if 0.0 < top_p < 1.0:
        for v in range(size):
            work[v] = -logits[v]
        _keep_mass(logits, work, order, top_p, False)
    if min_p != 0.0:
        threshold = largest(logits, size) + math.log(min_p)
        for v in range(size):
            if logits[v] < threshold:
                logits[v] = -np.inf
    if 0.0 < typical_p < 1.0:
        normaliser = _log_sum(logits)
        entropy = 0.0
        for v in range(size):
            if logits[v] > -np.inf:
                log_p = logits[v] - normaliser
                entropy -= exp(log_p) * log_p
        for v in range(size):
            work[v] = abs(normaliser - logits[v] - entropy)
        _keep_mass(logits, work, order, typical_p, True)
    return True


@inline
def _keep_mass(logits, rank_by, order, p, ties):
    """Keep symbols in ascending order of `rank_by` while the mass before them is below the fraction p of the total.

    With `ties`, symbols that rank equal to the last one kept are kept, too.
    """
    if p >= 1.0:
        return
    size = len(logits)
    _sort(rank_by, order)
    top = largest(logits, size)
    total = 0.0
    for k in range(size):
        total += exp(logits[order[k]] - top)
    before, last = 0.0, rank_by[order[0]]
    for k in range(size):
        v = order[k]
        mass = exp(logits[v] - top)
        if k == 0 or before < p * total or (ties and rank_by[v] == last):
            if k == 0 or before < p * total:
                last = rank_by[v]
        else:
            logits[v] = -np.inf
        before += mass


@inline
def _sort(keys, order):
    """Fill `order` so that keys[order] ascends, equal keys by symbol: heap sort, which needs no memory."""
    size = len(keys)
    for v in range(size):
        order[v] = v
    for begin in range(size // 2 - 1, -1, -1):
        _sift(keys, order, begin, size)
    for end in range(size - 1, 0, -1):
        order[0], order[end] = order[end], order[0]
        _sift(keys, order, 0, end)


@inline
def _sift(keys, order, root, size):
    while True:
        child = 2 * root + 1
        if child >= size:
            return
        if child + 1 < size and _after(keys, order[child + 1], order[child]):
            child += 1
        if not _after(keys, order[child], order[root]):
            return
        order[root], order[child] = order[child], order[root]
        root = child


@inline
def _after(keys, a, b):
    return keys[a] > keys[b] or (keys[a] == keys[b] and a > b)


@inline
def _kth_largest(values, k):
    """Return the k-th largest of `values`, which are reordered (Hoare's selection)."""
    low, high, wanted = 0, len(values) - 1, k - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if wanted <= j:
            high = j
        elif wanted >= i:
            low = i
        else:
            break
    return values[wanted]


@inline
def _log_sum(logits):
    top = largest(logits, len(logits))
    total = 0.0
    for v in range(len(logits)):
        total += exp(logits[v] - top)
    return top + math.log(total)


@inline
def _log_prob(logits, work, symbol):
    """Return the normalised log-probability of a symbol; the largest logit is subtracted first, to avoid overflow."""
    top, total = largest(logits, len(logits)), 0.0
    exponentials(logits, top, len(logits), work)
    for v in range(len(logits)):
        total += work[v]
    return logits[symbol] - top - math.log(total)


@inline
def _inverse_cdf(logits, work, uniform):
    """Return the first symbol whose cumulative probability exceeds uniform times the total; -1 if there is none."""
    top, total = largest(logits, len(logits)), 0.0
    if not top > -np.inf:
        return -1
    exponentials(logits, top, len(logits), work)
    for v in range(len(logits)):
        total += work[v]
        work[v] = total
    threshold = uniform * total
    for v in range(len(logits)):
        if work[v] > threshold:
            return v
    return -1
