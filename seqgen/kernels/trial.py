"""The choice between two implementations of the same work, by timing them."""

from __future__ import annotations

# weight of the previous estimate of the cost, for the current way and for the other, whose timing is older
_KEPT, _KEPT_OTHER = 0.75, 0.25
_LONGEST = 128


class Trial:
    """Determines which of two ways, numbered False and True, is currently faster.

    The load of the machine changes, so the slower way is tried again: after `again` choices, and whenever it is still
    slower, after twice as many.
    """

    def __init__(self, again: int = 16) -> None:
        self._again = self._pause = again
        self._left = again
        self._warm = False
        self._costs: dict[bool, float] = {}

    def choose(self) -> bool:
        """Return the way to use next."""
        for way in (True, False):
            if way not in self._costs:
                return way
        self._left -= 1
        return self._faster() if self._left else not self._faster()

    def took(self, way: bool, cost: float) -> None:
        """Report the seconds per item; the first report, which includes compiling and loading, is ignored."""
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
