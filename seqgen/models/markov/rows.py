"""Which lanes of an engine draw from rows (`numba_rows`), and the memory of the rows.

Legend: B lanes, S states.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from seqgen.kernels.lanes import LaneControlArrays
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.numba_rows import ENTRY, Rows

MOST_BYTES = 1 << 26
"""The memory of all rows of an engine."""

_FEWEST = 1 << 12  # entries
_SCORES = 16  # bytes per entry


@dataclass(frozen=True, eq=False)
class _Kept:
    """Rows under one setting of controls: parameters (6,), allowed (V,), and the rows that no thread works with."""

    parameters: np.ndarray
    allowed: np.ndarray
    idle: deque[Rows]


class RememberedRows:
    """Rows of states, which only save time and are not part of a state; every thread extends its own.

    They are kept for one setting of controls, which is that of some lane, and forgotten when no lane has it.
    """

    def __init__(self, automaton: Automaton, lanes: int, threads: int, *, log_probs: bool) -> None:
        self._states = len(automaton.parent)
        outcomes = automaton.symbols + automaton.ends
        backs_off = bool((automaton.backoff > 0.0).any())
        of_all = self._states * outcomes if backs_off else len(automaton.symbol)
        self._scores = log_probs
        bytes_each = ENTRY.itemsize + log_probs * _SCORES
        self._most = min(MOST_BYTES // threads // bytes_each, of_all + self._states)
        self._kept: _Kept | None = None
        self._equal = np.zeros(lanes, bool)
        self._checked = np.zeros(lanes, bool)

    def changes(self, lanes: np.ndarray | slice) -> None:
        """Note that the controls of `lanes` are going to change."""
        self._checked[lanes] = False

    def usable_by(self, lanes: np.ndarray, controls: LaneControlArrays) -> tuple[np.ndarray, deque[Rows]]:
        """Return which of all lanes (B,) bool, of which `lanes` run, may use rows, and the rows for `borrow`."""
        if self._kept is not None:
            self._check(self._kept, lanes, controls)
        if self._kept is None or not self._equal[lanes].any():
            # a penalty depends on the symbols before
            steady = lanes[controls.parameters[lanes, 0] == 0.0]
            if not len(steady):
                return np.zeros_like(self._equal), deque([_no_rows()])
            self._checked[:] = False
            first = steady[0]
            self._kept = _Kept(controls.parameters[first].copy(), controls.allowed[first].copy(), deque())
            self._check(self._kept, lanes, controls)
        return self._equal, self._kept.idle

    def _check(self, kept: _Kept, lanes: np.ndarray, controls: LaneControlArrays) -> None:
        """Compare the controls of those of `lanes` whose controls have changed."""
        for lane in lanes[~self._checked[lanes]].tolist():
            self._equal[lane] = np.array_equal(controls.parameters[lane], kept.parameters) and np.array_equal(
                controls.allowed[lane], kept.allowed
            )
            self._checked[lane] = True

    def borrow(self, idle: deque[Rows]) -> Rows:
        """Return rows for a thread alone; if it does not give them back, they are forgotten."""
        try:
            return idle.pop()
        except IndexError:
            entries = min(self._most, _FEWEST)
            return Rows(np.zeros(self._states, np.int32), *self._room(entries), np.zeros(2, np.int64))

    def give_back(self, rows: Rows, idle: deque[Rows]) -> None:
        """Keep rows for further steps, with more room if some did not fit."""
        used, refused = rows.used.tolist()
        if refused and len(rows.entries) < self._most:
            entries, scores = self._room(min(self._most, max(2 * len(rows.entries), used + refused)))
            entries[:used] = rows.entries[:used]
            scores[:used] = rows.scores[:used]
            rows = rows._replace(entries=entries, scores=scores)
        rows.used[1] = 0
        idle.append(rows)

    def _room(self, entries: int) -> tuple[np.ndarray, np.ndarray]:
        return np.empty(entries, ENTRY), np.empty((entries if self._scores else 0, 2))


def _no_rows() -> Rows:
    return Rows(np.zeros(0, np.int32), np.empty(0, ENTRY), np.empty((0, 2)), np.zeros(2, np.int64))
