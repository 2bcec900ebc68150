"""The automaton of a Markov chain as the compiled samplers read it: what one draw needs lies side by side.

A draw reads one state, one guide and mostly one entry, so it costs about three cache lines however many
successors there are. The guide (Chen and Asau 1974) says where to begin the search in the cumulative masses.
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
        states: (S,) first and count of the successors, parent, whether it is one of the longest contexts, the
            mass of the state's own successors, and backoff, the mass of its parent's.
        entries: (E,) threshold (`Automaton.cumulative`), symbol, next state, and for the k-th successor the
            entry at which to begin if the uniform falls in the k-th of `count` equal parts of the own mass.
    """

    states: np.ndarray
    entries: np.ndarray


def tables(automaton: Automaton) -> Tables:
    """The tables of an automaton."""
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
    """The uniform of 52 bits that the symbol at `position` of sample `index` is drawn with."""
    high, low, _, _ = philox4(seed, index, position, _TOKEN)
    return to_uniform53(high, low)


# a call costs as much as a draw: the tables are many arguments
@splice
def step(tables, state, seed, index, position):
    """Draw the symbol at `position` of sample `index` by inverse CDF: (symbol, next state).

    The uniform runs over the masses of the state's successors, then over those of its parent, and so on; each
    part is stretched to the unit interval again.
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
    """Whether a state has a single outcome, for which no noise is needed."""
    return count == 1 and backoff == 0.0


@inline
def stretched(u, own, backoff):
    """The uniform for the parent, from one that lies beyond a state's own mass."""
    return min((u - own) / backoff, _BELOW_ONE)


@inline
def part(u, own, count):
    """In which of `count` equal parts of the own mass the uniform lies."""
    return min(np.int32(u / own * count), count - 1)


@inline
def found_from(tables, state, context, entry, u):
    """Search from `entry` of `context` on, which `state` has fallen back to: (symbol, next state)."""
    while tables.entries[entry].threshold <= u:
        entry += 1
    symbol, after = tables.entries[entry].symbol, tables.entries[entry].next
    if context != state:
        after = _after(tables, state, context, symbol, after)
    return symbol, after


@inline
def _after(tables, state, at, symbol, after):
    """The state after a symbol that was drawn from the shorter context `at`, where `after` follows.

    The symbol may be among the successors of a longer context as well, and then what was seen with that context
    follows. The longest contexts have their parents' next states, because the oldest symbol is forgotten.
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
