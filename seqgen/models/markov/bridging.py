"""Exact sampling with symbols forced at given positions, by backward messages over the automaton.

The message b[t, s] is the probability of the symbols forced at positions t, t + 1, … from state s. The draw at position
t weighs every symbol w by p(w | s) b[t + 1, next(s, w)]; there is no rejection.

One step costs a pass over all n-grams, also with smoothing, where every symbol can follow every state:

    b[t, s] = sum over successors w of s of (p(w | s) b[t + 1, next(s, w)]
                                          - backoff(s) p(w | parent) b[t + 1, next(parent, w)])
              + backoff(s) b[t, parent]

Cancellation in the difference is limited: b of a state and of its parent differ by at most a product of `order` backoff
weights.
Legend: F positions up to the last forced one, S states.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from seqgen.codecs import Codec
from seqgen.errors import SeqgenError, integer
from seqgen.models.markov.automaton import Automaton

FREE = -1
_MOST_BYTES = 1 << 30
_KEPT_BYTES = 1 << 28


def forced_symbols(condition: Any, codec: Codec, automaton: Automaton) -> np.ndarray:
    """Convert a condition {position: symbol} to (F,) int32, with FREE at free positions and V for the end.

    Args:
        condition: a mapping; the symbol None is the end of the sample (unless None is a symbol).
        codec, automaton: those of the chain.

    Raises:
        TypeError, ValueError: if the condition is not such a mapping, or the end is forced in a chain without ends.
        SeqgenError: if a position is so large that the messages would take more than 1 GiB.
    """
    if not isinstance(condition, Mapping) or not condition:
        raise TypeError(
            "condition must map positions to the symbols that are forced there, such as {0: 'the'}; "
            f"got {condition!r}"
        )
    positions = {integer("condition's positions", key, low=0): value for key, value in condition.items()}
    most = most_forced(automaton) - 1
    if max(positions) > most:
        raise SeqgenError(
            f"condition forces position {max(positions)}; for this chain of {len(automaton.parent)} states positions "
            f"up to {most} can be forced"
        )
    forced = np.full(max(positions) + 1, FREE, np.int32)
    for position, symbol in positions.items():
        forced[position] = _symbol(symbol, position, codec, automaton.ends)
    if np.any(forced[:-1] == codec.size):
        raise ValueError("condition forces the end before another position; nothing can follow the end")
    return forced


def most_forced(automaton: Automaton) -> int:
    """Return the maximum length of a condition, whose messages may take 1 GiB."""
    return _MOST_BYTES // (8 * len(automaton.parent)) - 1


def _symbol(symbol: Any, position: int, codec: Codec, ends: bool) -> int:
    try:
        given = codec.encode_symbol(symbol)
    except (TypeError, ValueError) as error:
        if symbol is None:
            if ends:
                return codec.size
            raise ValueError(
                f"condition forces the end at position {position}, but samples of this chain are endless"
            ) from None
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"condition at position {position}: {error}") from None
    if len(given) != 1:
        raise ValueError(f"condition must force one symbol at a position, got {symbol!r} at {position}")
    return int(given[0])


def messages(automaton: Automaton, forced: np.ndarray) -> np.ndarray:
    """Return the backward messages (F + 1, S) of `forced` (F,), each row scaled to a maximum of 1."""
    states = len(automaton.parent)
    made = np.zeros((len(forced) + 1, states))
    made[-1] = 1.0
    state_of = np.repeat(np.arange(states), np.diff(automaton.first))
    for t in range(len(forced) - 1, -1, -1):
        if forced[t] == FREE:
            row = _free(automaton, state_of, made[t + 1])
        else:
            row = _forced(automaton, state_of, made[t + 1], int(forced[t]))
        made[t] = row / max(row.max(), np.finfo(float).tiny)
    return made


def _free(automaton: Automaton, state_of: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Step backwards over a free position, at which the sample must not end."""
    through = automaton.full * after[automaton.next]
    through[automaton.symbol == automaton.symbols] = 0.0
    own = through - automaton.backoff[state_of] * through[automaton.suffix]
    return _add_parents(automaton, np.add.reduceat(own, automaton.first[:-1]), automaton.backoff)


def _forced(automaton: Automaton, state_of: np.ndarray, after: np.ndarray, symbol: int) -> np.ndarray:
    """Step backwards over a forced position."""
    entries = np.flatnonzero(automaton.symbol == symbol)
    row, left = np.zeros(len(automaton.parent)), automaton.backoff.copy()
    ahead = 1.0 if symbol == automaton.symbols else after[automaton.next[entries]]
    row[state_of[entries]] = automaton.full[entries] * ahead
    left[state_of[entries]] = 0.0
    return _add_parents(automaton, row, left)


def _add_parents(automaton: Automaton, row: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Add to every state its share of the parent's value, short contexts first."""
    bounds = [*automaton.lengths.tolist(), len(row)]
    for begin, end in pairwise(bounds):
        row[begin:end] += share[begin:end] * row[automaton.parent[begin:end]]
    return row


class Messages:
    """A cache of the messages of recent conditions."""

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self._kept: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def of(self, forced: np.ndarray) -> np.ndarray:
        """Return the messages of `forced`."""
        key = forced.tobytes()
        if key not in self._kept:
            self._kept[key] = messages(self._automaton, forced)
            while len(self._kept) > 1 and sum(m.nbytes for m in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]
