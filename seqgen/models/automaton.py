"""A Markov chain as a finite automaton: its states are the contexts that were seen, of every length.

A state's successors lie side by side; a symbol that is not among them is left to the state of the next shorter
context, whose share of the mass is `backoff`. State 0 is the empty context, which has every symbol.
Legend: S states, E successors of all states, V vocabulary; symbol V is the end of a sample.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from seqgen.models.levels import Level, levels
from seqgen.models.ngrams import NGrams, lexicographic_keys
from seqgen.models.smoothing import discount, shares

ROOT = 0


class Automaton(NamedTuple):
    """What samplers and scorers walk on.

    Attributes:
        first: (S + 1,) int32; the successors of s are first[s] to first[s + 1] - 1, by ascending symbol.
        symbol: (E,) int32. next: (E,) int32, the state after the symbol.
        cumulative: (E,) float64, running sum of the mass that the state itself gives to its successors; it
            ends at 1 - backoff. An inverse CDF runs over these pieces of mass, then over those of `parent`.
        full: (E,) float64, the probability of the successor, the shorter contexts' share included.
        suffix: (E,) int32, where the same symbol stands among the successors of `parent`.
        parent: (S,) int32, the state of the context without its oldest symbol; the root's is itself.
        backoff: (S,) float64, the probability of drawing from the parent instead.
        lengths: (L + 1,) int32, the first state of each context length, then the end of the longest ones.
        start: the state before the first symbol.
        symbols: V.
        ends: whether samples end by themselves.
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
        """The state after `symbols`: the longest context that was seen."""
        for symbol in symbols:
            while (entry := self.find(state, int(symbol))) < 0:
                state = int(self.parent[state])
            state = int(self.next[entry])
        return state

    def find(self, state: int, symbol: int) -> int:
        """Where `symbol` stands among the successors of `state`, or -1."""
        begin, end = int(self.first[state]), int(self.first[state + 1])
        entry = begin + int(np.searchsorted(self.symbol[begin:end], symbol))
        return entry if entry < end and self.symbol[entry] == symbol else -1

    def successors(self, state: int) -> tuple[np.ndarray, np.ndarray]:
        """Probability and next state of every symbol, (V,) each, or (V + 1,) with the end."""
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


class _Part(NamedTuple):
    """The states of one context length and their successors: the fields of `Automaton`, and the state that
    each entry belongs to."""

    first: np.ndarray
    symbol: np.ndarray
    next: np.ndarray
    cumulative: np.ndarray
    full: np.ndarray
    suffix: np.ndarray
    parent: np.ndarray
    backoff: np.ndarray
    state_of: np.ndarray


def from_ngrams(ngrams: NGrams, smoothing: str | None) -> Automaton:
    """The automaton of n-gram counts; `smoothing` is None or "kneser-ney"."""
    tables = levels(ngrams)
    contexts = [_group_starts(level.columns[:-1]) for level in tables]
    states = np.cumsum([0, *(len(starts) for starts in contexts)])
    parts: list[_Part] = []
    for m, (level, starts) in enumerate(zip(tables, contexts, strict=True)):
        if m + 1 < len(tables):
            known = _contexts_of(level, tables[m + 1], contexts[m + 1], ngrams)
            known[known >= 0] += states[m + 1]
        else:
            known = np.full(len(level.counts), -1)
        parts.append(_part(level, starts, known, parts[-1] if parts else None, smoothing))
    fields = {name: [getattr(part, name) for part in parts] for name in Automaton._fields[:8]}
    entries = np.cumsum([0, *(len(part.symbol) for part in parts)])
    automaton = Automaton(
        **{name: np.concatenate(arrays) for name, arrays in fields.items()},
        lengths=states.astype(np.int32),
        # the beginning is the greatest symbol, so its context is the last of those of length 1
        start=int(states[2]) - 1 if ngrams.ends else ROOT,
        symbols=ngrams.symbols,
        ends=ngrams.ends,
    )
    automaton = automaton._replace(first=np.append(automaton.first, entries[-1]).astype(np.int32))
    return _never_empty(automaton) if smoothing and ngrams.ends else automaton


def _part(
    level: Level, starts: np.ndarray, known: np.ndarray, shorter: _Part | None, smoothing: str | None
) -> _Part:
    """One context length; `starts` are its contexts, `known` the state that an entry is itself, or -1."""
    counts = level.counts if smoothing is None else level.neighbours
    own, cumulative, backoff = shares(counts, starts, 0.0 if smoothing is None else discount(counts))
    context = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(counts))))
    if shorter is None:
        # the empty context has every symbol, so its share of the uniform distribution is added here
        ranks = np.arange(1, len(counts) + 1)
        full = own + backoff[0] / len(counts)
        cumulative = cumulative + backoff[0] * (ranks / len(counts))
        cumulative[-1] = 1.0
        backoff, parent = np.zeros(1), np.zeros(1, np.int32)
        first_state = first_entry = 0
        suffix, after = level.suffix, np.full(len(counts), ROOT, np.int32)
    else:
        full = own + backoff[context] * shorter.full[level.suffix]
        parent = shorter.state_of[level.suffix[starts]]
        first_state = int(shorter.state_of[-1]) + 1
        first_entry = int(shorter.first[0]) + len(shorter.symbol)
        suffix = int(shorter.first[0]) + level.suffix
        after = shorter.next[level.suffix]
    after = np.where(known >= 0, known, after)
    integers = starts + first_entry, level.columns[-1], after, suffix, parent, context + first_state
    first, symbol, after, suffix, parent, state_of = (array.astype(np.int32) for array in integers)
    return _Part(first, symbol, after, cumulative, full, suffix, parent, backoff, state_of)


def from_table(start: np.ndarray, transition: np.ndarray) -> Automaton:
    """The chain of order 1 with the given (V,) start and (V, V) transition probabilities."""
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


def _never_empty(automaton: Automaton) -> Automaton:
    """Begin in a state of its own, which has every symbol and not the end.

    Smoothing gives the end some probability everywhere, although no sequence was empty.
    """
    probabilities, states = automaton.successors(automaton.start)
    probabilities = probabilities[:-1] / probabilities[:-1].sum()
    symbols = np.arange(automaton.symbols, dtype=np.int32)
    return automaton._replace(
        first=np.append(automaton.first, automaton.first[-1] + automaton.symbols).astype(np.int32),
        symbol=np.append(automaton.symbol, symbols),
        next=np.append(automaton.next, states[:-1]),
        cumulative=np.append(automaton.cumulative, _running(probabilities)),
        full=np.append(automaton.full, probabilities),
        suffix=np.append(automaton.suffix, symbols),
        parent=np.append(automaton.parent, np.int32(ROOT)),
        backoff=np.append(automaton.backoff, 0.0),
        start=len(automaton.parent),
    )


def _group_starts(columns: np.ndarray) -> np.ndarray:
    """Where a new value of `columns` (m, n), which are sorted, begins."""
    fresh = np.zeros(columns.shape[1], bool)
    fresh[0] = True
    for column in columns:
        fresh[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(fresh)


def _contexts_of(level: Level, above: Level, starts: np.ndarray, ngrams: NGrams) -> np.ndarray:
    """Which context of the level above each m-gram is, or -1."""
    contexts = above.columns[:-1, starts]
    keys = lexicographic_keys(list(np.concatenate([level.columns, contexts], 1)), ngrams.symbols + 2)
    grams, wanted = keys[: len(level.counts)], keys[len(level.counts) :]
    rows = np.minimum(np.searchsorted(grams, wanted), len(grams) - 1)
    # the beginning alone is a context and no 1-gram
    found = grams[rows] == wanted
    known = np.full(len(grams), -1)
    known[rows[found]] = np.flatnonzero(found)
    return known


def _running(probabilities: np.ndarray) -> np.ndarray:
    """The running sum, which reaches exactly 1 with the last symbol that has any probability."""
    running = np.minimum(np.cumsum(probabilities), 1.0)
    running[np.flatnonzero(probabilities)[-1] :] = 1.0
    return running
