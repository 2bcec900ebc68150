"""Construction of the automaton of a Markov chain: one pass over the n-grams of each length, without copying them.

Legend: m-grams of one length, n of them in lexicographic order; c of them are contexts.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from seqgen.kernels.compile import inline, kernel


@kernel
def match(grams, longer, starts, known):
    """Find which m-grams are contexts of the (m + 1)-grams.

    Args:
        grams: (m, n) int32. longer: (m + 1, l) int32, whose contexts begin at `starts` (c,).
        known: (n,) int32, filled with the number of each m-gram among the contexts, or -1.
    """
    known[:] = -1
    row = 0
    for context in range(len(starts)):
        while row < grams.shape[1] and _compare(grams, row, longer, starts[context]) < 0:
            row += 1
        # the padding of a sequence is a context, but not a 1-gram
        if row < grams.shape[1] and _compare(grams, row, longer, starts[context]) == 0:
            known[row] = context


@inline
def _compare(grams, row, longer, column):
    for k in range(len(grams)):
        if grams[k, row] != longer[k, column]:
            return grams[k, row] - longer[k, column]
    return 0


@kernel
def link(a, order, starts, known, discounted, states, entries, owner_below, owner):
    """Fill in the states of one context length and their successors; shorter lengths must be complete.

    Args:
        a: the automaton, `automaton.Automaton`.
        order: the m-grams, `ngram_orders.Order`, m >= 2. starts: (c,), where its contexts begin.
        known: (n,) the state of each m-gram, or -1 if it is not a context.
        discounted: the discount of smoothing, subtracted from every count.
        states: the first state of this length, and of the next shorter one.
        entries: the first successor of this length, and of the next shorter one.
        owner_below: (l,) the context, counted from 0, of each (m - 1)-gram. owner: (n,), filled likewise.
    """
    for context in range(len(starts)):
        begin = starts[context]
        end = starts[context + 1] if context + 1 < len(starts) else len(order.counts)
        total = 0
        for row in range(begin, end):
            total += order.counts[row]
        state = states[0] + context
        a.first[state] = entries[0] + begin
        a.parent[state] = states[1] + owner_below[order.suffix[begin]]
        a.backoff[state] = discounted * (end - begin) / total
        running = 0
        for row in range(begin, end):
            at, below = entries[0] + row, entries[1] + order.suffix[row]
            # the running count is an exact integer, so every threshold is rounded only once
            running += order.counts[row]
            a.cumulative[at] = (running - discounted * (row - begin + 1)) / total
            a.full[at] = (order.counts[row] - discounted) / total + a.backoff[state] * a.full[below]
            a.symbol[at] = order.columns[-1, row]
            a.suffix[at] = below
            a.next[at] = known[row] if known[row] >= 0 else a.next[below]
            owner[row] = context
        if discounted == 0.0:
            a.cumulative[entries[0] + end - 1] = 1.0
