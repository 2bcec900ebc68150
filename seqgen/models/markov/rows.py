"""Which lanes of an engine draw from rows (`numba_rows`), and the memory of the rows.

Legend: B lanes, S states.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from seqgen.kernels.lanes import LaneControlArrays
from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.numba_mixture import DEEPEST
from seqgen.models.markov.numba_rows import ENTRY, Rows
from seqgen.models.markov.numba_shared import COLDEST, Shared, share

MOST_BYTES = 1 << 26
"""The memory of all rows of an engine."""

_FEWEST = 1 << 12  # entries
_SCORES = 16  # bytes per entry
_PATIENCE = 8  # steps


@dataclass(frozen=True, eq=False)
class Kept:
    """Rows under one setting of controls.

    Attributes:
        parameters: (6,). allowed: (V,), with the end.
        shared: what the states of a smoothed chain share, or empty arrays.
        idle: the rows that no thread works with.
    """

    parameters: np.ndarray
    allowed: np.ndarray
    shared: Shared
    idle: deque[Rows] = field(default_factory=deque)


class RememberedRows:
    """Rows of states, which only save time and are not part of a state; every thread extends its own.

    They are kept for one setting of controls, that of some lane, and forgotten when no lane has had it for some steps.
    """

    def __init__(self, automaton: Automaton, lanes: int, threads: int, *, log_probs: bool) -> None:
        self._states = len(automaton.parent)
        outcomes = automaton.symbols + automaton.ends
        backs_off = bool((automaton.backoff > 0.0).any())
        self._mixes = (
            backs_off
            and not log_probs
            and automaton.first[1] == outcomes
            and len(automaton.lengths) < DEEPEST
        )
        of_all = self._states * outcomes if backs_off else len(automaton.symbol)
        self._scores = log_probs
        bytes_each = ENTRY.itemsize + log_probs * _SCORES
        self._most = min(MOST_BYTES // threads // bytes_each, of_all + 2 * self._states)
        # any row has room
        self._fewest = min(self._most, max(_FEWEST, outcomes + 2))
        self._kept: Kept | None = None
        self._equal = np.zeros(lanes, bool)
        self._changed = set(range(lanes))
        self._without = 0

    def changes(self, lanes: np.ndarray | None) -> None:
        """Note that the controls of `lanes`, or of all, are going to change."""
        self._changed.update(range(len(self._equal)) if lanes is None else lanes.tolist())

    def usable_by(
        self, lanes: np.ndarray, controls: LaneControlArrays, logs: np.ndarray
    ) -> tuple[np.ndarray, Kept]:
        """Return which of all lanes (B,) bool, of which `lanes` run, may use rows, and the rows.

        Args:
            logs: (E,), the logarithms of `Automaton.full`.
        """
        if self._kept is not None:
            self._check(self._kept, controls)
            if np.count_nonzero(self._equal[lanes]):
                self._without = 0
                return self._equal, self._kept
            self._without += 1
        # a penalty depends on the symbols before
        steady = lanes[controls.parameters[lanes, 0] == 0.0]
        if not len(steady) or 0 < self._without < _PATIENCE:
            return np.zeros_like(self._equal), _NOTHING_KEPT
        parameters, allowed = controls.parameters[steady[0]].copy(), controls.allowed[steady[0]].copy()
        self.changes(None)
        self._without = 0
        self._kept = Kept(parameters, allowed, self._shared(parameters, allowed, logs))
        self._check(self._kept, controls)
        return self._equal, self._kept

    def _check(self, kept: Kept, controls: LaneControlArrays) -> None:
        """Compare the controls of the lanes whose controls have changed."""
        for lane in list(self._changed):
            self._equal[lane] = (
                controls.parameters[lane].tobytes() == kept.parameters.tobytes()
                and controls.allowed[lane].tobytes() == kept.allowed.tobytes()
            )
            self._changed.discard(lane)

    def _shared(self, parameters: np.ndarray, allowed: np.ndarray, logs: np.ndarray) -> Shared:
        """Return the masses of the empty context if rows can share them."""
        _, temperature, top_k, top_p, min_p, typical_p = parameters.tolist()
        among_all = not (top_k or min_p or 0.0 < typical_p < 1.0 or 0.0 < top_p * len(allowed) < 0.5)
        possible = allowed & (logs[: len(allowed)] > -np.inf)
        if not (self._mixes and among_all and possible.any()) or 0.0 < temperature < COLDEST:
            return _nothing_shared()
        return share(logs[: len(allowed)], temperature or 1.0, allowed, top_p=0.0 < top_p < 1.0)

    def borrow(self, kept: Kept) -> Rows:
        """Return rows for a thread alone; if it does not give them back, they are forgotten."""
        if kept is _NOTHING_KEPT:
            return _NO_ROWS
        try:
            return kept.idle.pop()
        except IndexError:
            return Rows(np.zeros(self._states, np.int32), *self._room(self._fewest), np.zeros(2, np.int64))

    def give_back(self, rows: Rows, kept: Kept) -> None:
        """Keep rows for further steps, with more room if some did not fit."""
        if kept is _NOTHING_KEPT:
            return
        used, refused = rows.used.tolist()
        if refused and len(rows.entries) < self._most:
            entries, scores = self._room(min(self._most, max(2 * len(rows.entries), used + refused)))
            entries[:used] = rows.entries[:used]
            scores[:used] = rows.scores[:used]
            rows = rows._replace(entries=entries, scores=scores)
        rows.used[1] = 0
        kept.idle.append(rows)

    def _room(self, entries: int) -> tuple[np.ndarray, np.ndarray]:
        return np.empty(entries, ENTRY), np.empty((entries if self._scores else 0, 2))


def _nothing_shared() -> Shared:
    none, places = np.empty(0), np.empty(0, np.int32)
    return Shared(none, none, none, places, places, none, none, np.empty(0, np.int64), np.empty((0, 0)))


_NO_ROWS = Rows(np.zeros(0, np.int32), np.empty(0, ENTRY), np.empty((0, 2)), np.zeros(2, np.int64))
_NOTHING_KEPT = Kept(np.empty(0), np.empty(0), _nothing_shared())
