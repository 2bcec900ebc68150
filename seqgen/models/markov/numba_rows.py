"""Rows: the distributions of states after controls that do not depend on the symbols before, kept for later draws.

A row has the cumulative masses of a draw among all possible symbols, so that drawing from it gives the same symbol.
Legend: S states, R entries of all rows, m symbols that the controls leave after a state.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline
from seqgen.models.markov.numba_sparse_draw import log_normaliser, log_prob_drawn, log_prob_under_model

ENTRY = np.dtype([("mass", "f8"), ("symbol", "i4"), ("next", "i4")])


class Rows(NamedTuple):
    """Rows of m + 1 entries: one for m itself, in `symbol`, and one per symbol in ascending order.

    Attributes:
        place: (S,) int32, position of the entry of a state's first symbol; 0 if there is no row.
        entries: (R,) cumulative mass, symbol, and the state after it.
        scores: (R, 2) float64, log-probabilities under the model and after the controls; (0, 2) if they are not needed.
        used: (2,) int64, number of entries in use, and of those for which there was no room.
    """

    place: np.ndarray
    entries: np.ndarray
    scores: np.ndarray
    used: np.ndarray


@inline
def keep_row(rows, state, s, n, m):
    """Keep the m weighed symbols of the n possible ones `s` if there is room; return the place of the row, or 0."""
    first = room_for(rows, m + 1) + 1
    if first == 0:
        return 0
    rows.entries[first - 1].symbol = m
    for k in range(m):
        at = s.left[k]
        rows.entries[first + k].mass = s.mass[k]
        rows.entries[first + k].symbol = s.symbol[at]
        rows.entries[first + k].next = s.next[at]
    if len(rows.scores) > 0 and m > 0:
        of_model, of_drawn = log_normaliser(s.model, n), log_normaliser(s.logits, m)
        for k in range(m):
            rows.scores[first + k, 0] = log_prob_under_model(s, k, of_model)
            rows.scores[first + k, 1] = log_prob_drawn(s, k, of_drawn)
    rows.place[state] = first
    return first


@inline
def room_for(rows, entries):
    """Return where a row of so many entries has room, or -1; if all room is taken, all rows are forgotten."""
    if rows.used[0] + entries > len(rows.entries):
        rows.used[1] += entries
        if entries > len(rows.entries):
            return -1
        rows.used[0] = 0
        rows.place[:] = 0
    begin = rows.used[0]
    rows.used[0] += entries
    return begin


@inline
def draw_from_row(rows, place, uniform):
    """Draw by inverse CDF from the row at `place`; return the position of the entry, or -1 if no symbol is left."""
    low, high = place, place + rows.entries[place - 1].symbol
    end = high
    threshold = uniform * rows.entries[end - 1].mass if low < end else 0.0
    while low < high:
        middle = (low + high) >> 1
        if rows.entries[middle].mass > threshold:
            high = middle
        else:
            low = middle + 1
    return low if low < end else -1
