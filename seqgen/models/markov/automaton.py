"""A Markov chain as a finite automaton whose states are the observed contexts of every length.

The successors of a state are stored contiguously; for other symbols the state backs off, with probability `backoff`, to
the state of the next shorter context. State 0 is the empty context, whose successors are all symbols.
Legend: S states, E successors of all states, V vocabulary; symbol V is the end of a sample.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from seqgen.models.markov.ngram_orders import Order, orders
from seqgen.models.markov.ngrams import NGrams
from seqgen.models.markov.smoothing import discount

ROOT = 0


class Automaton(NamedTuple):
    """The automaton that samplers and scorers traverse.

    Attributes:
        first: (S + 1,) int32; the successors of s are first[s] to first[s + 1] - 1, by ascending symbol.
        symbol: (E,) int32. next: (E,) int32, the state after the symbol.
        cumulative: (E,) float64, cumulative sum of the mass of the state's own successors, up to 1 - backoff. The
            inverse CDF covers this mass first, then that of `parent`.
        full: (E,) float64, the probability of the successor, including the share of shorter contexts.
        suffix: (E,) int32, position of the same symbol among the successors of `parent`.
        parent: (S,) int32, the state of the context without its oldest symbol; that of the root is the root.
        backoff: (S,) float64, the probability of drawing from the parent instead.
        lengths: (L + 1,) int32, the first state of each context length, followed by S.
        start: the state before the first symbol.
        symbols: V.
        ends: whether the end of a sample is a symbol.
    """

    first: np.ndarray
    symbol: np.ndarray
    next: np.ndarray
    cumulative: np.ndarray
    full: np.ndarray
    suffix: np.ndarray
    parent: np.ndarray
    backoff: np.ndarray
    lengths: np.ndarray
    start: int
    symbols: int
    ends: bool

    def follow(self, state: int, symbols: np.ndarray) -> int:
        """Return the state after `symbols`, that of the longest observed context."""
        for symbol in symbols:
            while (entry := self.find(state, int(symbol))) < 0:
                state = int(self.parent[state])
            state = int(self.next[entry])
        return state

    def find(self, state: int, symbol: int) -> int:
        """Return the position of `symbol` among the successors of `state`, or -1."""
        begin, end = int(self.first[state]), int(self.first[state + 1])
        entry = begin + int(np.searchsorted(self.symbol[begin:end], symbol))
        return entry if entry < end and self.symbol[entry] == symbol else -1

    def successors(self, state: int) -> tuple[np.ndarray, np.ndarray]:
        """Return probability and next state of every symbol, (V,) each, or (V + 1,) with the end."""
        path = [state]
        while path[-1] != ROOT:
            path.append(int(self.parent[path[-1]]))
        probabilities = np.zeros(self.symbols + self.ends)
        states = np.zeros(len(probabilities), np.int32)
        for at in reversed(path):
            own = slice(self.first[at], self.first[at + 1])
            probabilities *= self.backoff[at]
            probabilities[self.symbol[own]] = self.full[own]
            states[self.symbol[own]] = self.next[own]
        return probabilities, states


def from_ngrams(ngrams: NGrams, smoothing: str | None) -> Automaton:
    """Return the automaton of n-gram counts; `smoothing` is None or "kneser-ney"."""
    from seqgen.models.markov.numba_linking import link, match

    by_order = orders(ngrams, neighbours=smoothing is not None)
    contexts = [_group_starts(order.columns[:-1]) for order in by_order]
    states = np.cumsum([0, *(len(starts) for starts in contexts)])
    entries = np.cumsum([0, *(len(order.counts) for order in by_order)])
    # smoothing gives the end a positive probability everywhere, although no sequence was empty: a separate start state,
    # which has every symbol except the end, prevents empty samples
    begins = smoothing is not None and ngrams.ends
    automaton = _empty(ngrams, states, entries, begins)
    owner = np.zeros(len(by_order[0].counts), np.int32)
    for m, (order, starts) in enumerate(zip(by_order, contexts, strict=True)):
        known = np.full(len(order.counts), -1, np.int32)
        if m + 1 < len(by_order):
            match(order.columns, by_order[m + 1].columns, contexts[m + 1], known)
            known[known >= 0] += states[m + 1]
        discounted = 0.0 if smoothing is None else discount(order.counts)
        if m == 0:
            _root(automaton, order, known, discounted)
            continue
        below, owner = owner, np.empty(len(order.counts), np.int32)
        places = (int(states[m]), int(states[m - 1])), (int(entries[m]), int(entries[m - 1]))
        link(automaton, order, starts, known, discounted, *places, below, owner)
    return _with_start(automaton) if begins else automaton


def _empty(ngrams: NGrams, states: np.ndarray, entries: np.ndarray, begins: bool) -> Automaton:
    """Allocate an automaton; the n-grams of length m + 1 start at states[m] and entries[m]."""
    of_state = int(states[-1]) + begins
    of_entry = int(entries[-1]) + begins * ngrams.symbols
    first = np.empty(of_state + 1, np.int32)
    first[states[-1]] = entries[-1]
    return Automaton(
        first=first,
        symbol=np.empty(of_entry, np.int32),
        next=np.empty(of_entry, np.int32),
        cumulative=np.empty(of_entry),
        full=np.empty(of_entry),
        suffix=np.empty(of_entry, np.int32),
        parent=np.empty(of_state, np.int32),
        backoff=np.empty(of_state),
        lengths=states.astype(np.int32),
        # `begin` is the largest symbol, so its context is the last of those of length 1
        start=int(states[2]) - 1 if ngrams.ends else ROOT,
        symbols=ngrams.symbols,
        ends=ngrams.ends,
    )


def _root(automaton: Automaton, order: Order, known: np.ndarray, discounted: float) -> None:
    """Fill in the empty context, which has every symbol, including the share of the uniform distribution."""
    size, total = len(order.counts), order.counts.sum()
    own, ranks = slice(0, size), np.arange(1, size + 1)
    share = discounted * size / total
    automaton.first[ROOT], automaton.parent[ROOT], automaton.backoff[ROOT] = 0, ROOT, 0.0
    automaton.symbol[own], automaton.suffix[own] = order.columns[0], ranks - 1
    automaton.next[own] = np.where(known >= 0, known, ROOT)
    automaton.full[own] = (order.counts - discounted) / total + share / size
    running = (np.cumsum(order.counts) - discounted * ranks) / total + share * (ranks / size)
    running[-1] = 1.0
    automaton.cumulative[own] = running


def from_table(start: np.ndarray, transition: np.ndarray) -> Automaton:
    """Return the automaton of order 1 with the given (V,) start and (V, V) transition probabilities."""
    symbols = len(start)
    rows, columns = np.nonzero(transition)
    sizes = np.append(symbols, np.bincount(rows, minlength=symbols))
    first = np.append(0, np.cumsum(sizes)).astype(np.int32)
    symbol = np.append(np.arange(symbols), columns).astype(np.int32)
    full = np.append(start, transition[rows, columns])
    cumulative = np.concatenate([_running(full[a:b]) for a, b in pairwise(first)])
    return Automaton(
        first, symbol, (symbol + 1).astype(np.int32), cumulative, full, np.zeros_like(symbol),
        np.zeros(symbols + 1, np.int32), np.zeros(symbols + 1),
        np.array([0, 1, symbols + 1], np.int32), ROOT, symbols, False,
    )  # fmt: skip


def _with_start(automaton: Automaton) -> Automaton:
    """Fill in the last state, which is already allocated: the start, without the end."""
    probabilities, states = automaton.successors(automaton.start)
    probabilities = probabilities[:-1] / probabilities[:-1].sum()
    start, own = len(automaton.parent) - 1, slice(-automaton.symbols, None)
    automaton.symbol[own] = automaton.suffix[own] = np.arange(automaton.symbols)
    automaton.next[own] = states[:-1]
    automaton.cumulative[own], automaton.full[own] = _running(probabilities), probabilities
    automaton.parent[start], automaton.backoff[start] = ROOT, 0.0
    automaton.first[start + 1] = len(automaton.symbol)
    return automaton._replace(start=start)


def _group_starts(columns: np.ndarray) -> np.ndarray:
    """Return the start positions of groups of equal columns in `columns` (m, n), which are sorted."""
    fresh = np.zeros(columns.shape[1], bool)
    fresh[0] = True
    for column in columns:
        fresh[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(fresh)


def _running(probabilities: np.ndarray) -> np.ndarray:
    """Return the cumulative sum, which is exactly 1 at the last symbol with positive probability."""
    running = np.minimum(np.cumsum(probabilities), 1.0)
    running[np.flatnonzero(probabilities)[-1] :] = 1.0
    return running
