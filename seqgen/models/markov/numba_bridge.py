"""Draws at free positions before a forced one, from the successors of a context and its shorter contexts.

The draw at position t weighs every symbol w by g_s(w) = p(w | s) b[t + 1, next(s, w)], with the messages b of
`bridging`. For a symbol that is not a successor of s, g_s(w) = backoff(s) g_parent(w); the cumulative weights are thus

    G_s(w) = C_s(w) + backoff(s) G_parent(w)

where C_s sums over the successors of s alone, up to w. The C of contexts with many successors are kept for all samples
of a condition. The symbol is defined by sums of all weights in the order of the symbols, which are rounded differently;
where rounding may matter, these are computed (`draw_towards_among_all`).
Legend: F positions up to the last forced one, S states, L successors of contexts with many.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline, kernel, splice
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.numba_walk import place_of, successors

# a context of a draw: its state; where its sums begin, in the kept ones or, if negative, at -1 - begin in `scratch`;
# the range of its successors in which the symbol is; and the product of the backoffs of the longer contexts
LEVEL = np.dtype(
    [("state", "i4"), ("begin", "i4"), ("low", "i4"), ("high", "i4"), ("middle", "i4"), ("unused", "i4"),
     ("share", "f8")]
)  # fmt: skip

_MANY = 8
_ROUNDING = 2.0**-50


class Bridge(NamedTuple):
    """What the samples of one condition share.

    Attributes:
        messages: (F + 1, S) float64.
        sums: (F, L) float64, C of the contexts with many successors; undefined at forced positions.
        place: (S,) int32, where the sums of a context begin, or -1.
    """

    messages: np.ndarray
    sums: np.ndarray
    place: np.ndarray


def places(automaton: Automaton) -> np.ndarray:
    """Return `Bridge.place` (S,) int32, followed by L."""
    counts = np.diff(automaton.first)
    kept = np.where(counts >= _MANY, counts, 0)
    place = np.append(0, np.cumsum(kept)).astype(np.int32)
    place[:-1][kept == 0] = -1
    return place


@kernel
def fill_sums(automaton, forced, bridge):
    """Fill in the sums of the free positions."""
    a, bridge = Automaton(*automaton), Bridge(*bridge)
    for t in range(len(bridge.sums)):
        if forced[t] < 0:
            for state in range(len(bridge.place)):
                if bridge.place[state] >= 0:
                    _sum_own(a, state, bridge.messages[t + 1], bridge.sums[t], bridge.place[state])


@inline
def _sum_own(a, state, ahead, sums, begin):
    """Write C of a context, from `begin` on; the end of a sample has no weight."""
    running, backoff = 0.0, a.backoff[state]
    first = a.first[state]
    for entry in range(first, a.first[state + 1]):
        if a.symbol[entry] != a.symbols:
            weight = a.full[entry] * ahead[a.next[entry]]
            if backoff > 0.0:
                below = a.suffix[entry]
                weight -= backoff * a.full[below] * ahead[a.next[below]]
            running += weight
        sums[begin + entry - first] = running


@inline
def draw_towards(a, bridge, state, t, uniform, scratch):
    """Draw a symbol at the free position `t`; return it, or -1 where `draw_towards_among_all` must draw it.

    Args:
        scratch: ((order + 2) (V + 1),) float64.
    """
    ahead, kept = bridge.messages[t + 1], bridge.sums[t]
    levels = np.empty(len(a.lengths) + 1, LEVEL)
    depth, used, share = 0, 0, 1.0
    while True:
        level = levels[depth]
        level.state, level.share, level.begin = state, share, bridge.place[state]
        level.low, level.high = 0, a.first[state + 1] - a.first[state]
        if level.begin < 0:
            _sum_own(a, state, ahead, scratch, used)
            level.begin = -1 - used
            used += level.high
        depth += 1
        if a.backoff[state] == 0.0:
            break
        share *= a.backoff[state]
        state = a.parent[state]
    total, magnitude, above = 0.0, 0.0, 0.0
    for j in range(depth - 1, -1, -1):
        level, backoff = levels[j], a.backoff[levels[j].state]
        total = _sum_of(level, level.high, kept, scratch) + backoff * above
        # the terms of C add up to at most this in absolute value
        magnitude += level.share * (abs(total) + backoff * abs(above))
        above = total
    threshold, margin = uniform * total, _ROUNDING * (a.symbols + 8) * magnitude
    low, high, before, reached = 0, a.symbols, 0.0, total
    # the symbol is in [low, high); the weights below low and below high are `before` and `reached`
    while high - low > 1:
        middle, value = (low + high) >> 1, 0.0
        for j in range(depth):
            level = levels[j]
            level.middle = _successors_below(a, level, middle)
            value += level.share * _sum_of(level, level.middle, kept, scratch)
        if abs(value - threshold) <= margin:
            return -1
        if value > threshold:
            high, reached = middle, value
            for j in range(depth):
                levels[j].high = levels[j].middle
        else:
            low, before = middle, value
            for j in range(depth):
                levels[j].low = levels[j].middle
    return low if low < a.symbols and reached > threshold + margin and before < threshold - margin else -1


# a call would pass dozens of arguments
@splice
def _successors_below(a, level, symbol):
    """Return how many successors of a context are below `symbol`, which is between `low` and `high`."""
    first = a.first[level.state]
    return place_of(a.symbol, first + level.low, first + level.high, symbol) - first


@splice
def _sum_of(level, count, kept, scratch):
    """Return C of a context up to its successor `count`, exclusively."""
    value = 0.0
    if count > 0:
        value = kept[level.begin + count - 1] if level.begin >= 0 else scratch[count - 2 - level.begin]
    return value


@inline
def draw_towards_among_all(a, state, ahead, uniform, probabilities, states):
    """Draw a symbol with probability proportional to its probability times the message of its next state.

    Returns:
        (symbol, the probability with which it is drawn); `probabilities` and `states` are filled in.
    """
    successors(a, state, probabilities, states)
    total = 0.0
    for v in range(a.symbols):
        total += probabilities[v] * ahead[states[v]]
    threshold = uniform * total
    running, last = 0.0, 0
    for v in range(a.symbols):
        weight = probabilities[v] * ahead[states[v]]
        running += weight
        if weight > 0.0:
            last = v
            if running > threshold:
                break
    return last, probabilities[last] * ahead[states[last]] / total
