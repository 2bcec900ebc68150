"""Choosing between two ways to do the same work by timing them."""

from __future__ import annotations


class Trial:
    """Which of two ways, numbered False and True, is the faster here and now.

    Other work on the machine comes and goes, so the slower way is tried again from time to time.

    Args:
        again: after how many choices the slower way gets another chance.
    """

    def __init__(self, again: int = 16) -> None:
        self._again = again
        self._choices = 0
        self._warm = False
        self._costs: dict[bool, float] = {}

    def choose(self) -> bool:
        """The way to go next."""
        self._choices += 1
        for way in (True, False):
            if way not in self._costs:
                return way
        faster = self._costs[True] < self._costs[False]
        return faster if self._choices % self._again else not faster

    def took(self, way: bool, cost: float) -> None:
        """Report the seconds that an item took; the first report is of compiling and loading, and is forgotten."""
        if self._warm:
            self._costs[way] = 0.5 * (self._costs.get(way, cost) + cost)
        self._warm = True
