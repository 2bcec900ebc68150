"""The automaton of a Markov chain in the layout of the compiled samplers: the data of one draw are adjacent.

A draw reads one state, one guide and usually one entry, so it costs about three cache lines for any number of
successors. The guide (Chen and Asau 1974) gives the start of the search in the cumulative masses.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline, kernel, splice
from seqgen.kernels.random import philox4, to_uniform53
from seqgen.models.markov.automaton import Automaton
from seqgen.rng import Purpose

STATE = np.dtype(
    [("first", "i4"), ("count", "i4"), ("parent", "i4"), ("longest", "i4"), ("own", "f8"), ("backoff", "f8")]
)
ENTRY = np.dtype([("threshold", "f8"), ("symbol", "i4"), ("next", "i4"), ("guide", "i4"), ("unused", "i4")])

_TOKEN = int(Purpose.TOKEN)
_BELOW_ONE = 1.0 - 2.0**-53
_MARGIN = 1e-6


class Tables(NamedTuple):
    """The fields of `Automaton` by state and by successor.

    Attributes:
        states: (S,) first and count of the successors, parent, whether the context has full length, the mass of the
            state's own successors, and backoff, the mass of its parent's.
        entries: (E,) threshold (`Automaton.cumulative`), symbol, next state, and for the k-th successor the entry at
            which
            the search begins if the uniform falls in the k-th of `count` equal parts of the own mass.
    """

    states: np.ndarray
    entries: np.ndarray


def tables(automaton: Automaton) -> Tables:
    """Build the tables of an automaton."""
    states = np.zeros(len(automaton.parent), STATE)
    states["first"] = automaton.first[:-1]
    states["count"] = np.diff(automaton.first)
    states["parent"] = automaton.parent
    states["longest"] = np.arange(len(states)) >= automaton.lengths[-2]
    states["own"] = automaton.cumulative[automaton.first[1:] - 1]
    states["backoff"] = automaton.backoff
    entries = np.zeros(len(automaton.symbol), ENTRY)
    entries["threshold"] = automaton.cumulative
    entries["symbol"] = automaton.symbol
    entries["next"] = automaton.next
    made = Tables(states, entries)
    _guide(made)
    return made


@kernel
def _guide(tables):
    for s in range(len(tables.states)):
        here = tables.states[s]
        entry = here.first
        for k in range(here.count):
            # the margin covers the rounding in `part`, so that no search begins too late
            while tables.entries[entry].threshold / here.own * here.count <= k - _MARGIN:
                entry += 1
            tables.entries[here.first + k].guide = entry


@inline
def token_uniform(seed, index, position):
    """Return the 52-bit uniform of the symbol at `position` of sample `index`."""
    high, low, _, _ = philox4(seed, index, position, _TOKEN)
    return to_uniform53(high, low)


# a call would cost as much as a draw, because the tables are many arguments
@splice
def step(tables, state, seed, index, position):
    """Draw the symbol at `position` of sample `index` by inverse CDF; return (symbol, next state).

    The unit interval is divided into the masses of the state's successors, then those of its parent, and so on; at each
    parent, the uniform is rescaled to the unit interval.
    """
    here = tables.states[state]
    u = 0.0 if certain(here.count, here.backoff) else token_uniform(seed, index, position)
    context = state
    while u >= here.own:
        u = stretched(u, here.own, here.backoff)
        context = here.parent
        here = tables.states[context]
    found = tables.entries[here.first + part(u, here.own, here.count)].guide
    return found_from(tables, state, context, found, u)


@inline
def certain(count, backoff):
    """Return whether a state has a single outcome, so that no random number is needed."""
    return count == 1 and backoff == 0.0


@inline
def stretched(u, own, backoff):
    """Rescale a uniform beyond a state's own mass to the uniform for its parent."""
    return min((u - own) / backoff, _BELOW_ONE)


@inline
def part(u, own, count):
    """Return in which of `count` equal parts of the own mass the uniform lies."""
    return min(np.int32(u / own * count), count - 1)


@inline
def found_from(tables, state, context, entry, u):
    """Search from `entry` of `context` on, to which `state` has backed off; return (symbol, next state)."""
    while tables.entries[entry].threshold <= u:
        entry += 1
    symbol, after = tables.entries[entry].symbol, tables.entries[entry].next
    if context != state:
        after = _after(tables, state, context, symbol, after)
    return symbol, after


@inline
def _after(tables, state, at, symbol, after):
    """Return the state after a symbol drawn from the shorter context `at`, whose next state is `after`.

    The symbol may also be a successor of a longer context, whose next state then applies. Contexts of full length have
    the
    next states of their parents, because the oldest symbol is dropped.
    """
    if tables.states[state].longest == 1:
        state = tables.states[state].parent
    while state != at:
        here = tables.states[state]
        low, high = here.first, here.first + here.count - 1
        while low < high:
            middle = (low + high) >> 1
            if tables.entries[middle].symbol < symbol:
                low = middle + 1
            else:
                high = middle
        if tables.entries[low].symbol == symbol:
            return tables.entries[low].next
        state = here.parent
    return after
