"""Choosing between two ways to do the same work by timing them."""

from __future__ import annotations

# of what was known of the cost of the way that is taken, and of the other, which was timed longer ago
_KEPT, _KEPT_OTHER = 0.75, 0.25
_LONGEST = 128


class Trial:
    """Which of two ways, numbered False and True, is the faster here and now.

    Other work on the machine comes and goes, so the slower way is tried again: after `again` choices, and each time
    that it is the slower one still, after twice as many.
    """

    def __init__(self, again: int = 16) -> None:
        self._again = self._pause = again
        self._left = again
        self._warm = False
        self._costs: dict[bool, float] = {}

    def choose(self) -> bool:
        """The way to go next."""
        for way in (True, False):
            if way not in self._costs:
                return way
        self._left -= 1
        return self._faster() if self._left else not self._faster()

    def took(self, way: bool, cost: float) -> None:
        """Report the seconds that an item took; the first report is of compiling and loading, and is forgotten."""
        if not self._warm:
            self._warm = True
            return
        known = len(self._costs) == 2
        before = self._faster() if known else way
        kept = _KEPT if way == before else _KEPT_OTHER
        self._costs[way] = kept * self._costs.get(way, cost) + (1 - kept) * cost
        if not known:
            return
        if self._faster() != before:
            self._pause = self._left = self._again
        elif way != before:
            self._pause = self._left = min(2 * self._pause, _LONGEST)

    def _faster(self) -> bool:
        return self._costs[True] < self._costs[False]
