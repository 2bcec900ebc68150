"""What compiled samplers keep for the conditions of a chain, in addition to the messages.

Legend: F positions up to the last forced one.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from seqgen.models.markov.automaton import Automaton
from seqgen.models.markov.bridging import Messages
from seqgen.models.markov.numba_bridge import Bridge, fill_sums, places

_MOST_BYTES = 1 << 26
_KEPT_BYTES = 1 << 28


class Bridges:
    """A cache of the bridges of recent conditions.

    Args:
        automaton: of the chain. messages: the cache of its messages.
    """

    def __init__(self, automaton: Automaton, messages: Messages) -> None:
        self._automaton, self._messages = automaton, messages
        self._place: np.ndarray | None = None
        self._kept: OrderedDict[bytes, Bridge] = OrderedDict()

    def of(self, forced: np.ndarray) -> Bridge:
        """Return the bridge of `forced` (F,)."""
        key = forced.tobytes()
        if key not in self._kept:
            self._kept[key] = self._made(forced)
            while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _made(self, forced: np.ndarray) -> Bridge:
        if self._place is None:
            self._place = places(self._automaton)
        place, width = self._place[:-1], int(self._place[-1])
        if 8 * len(forced) * width > _MOST_BYTES:
            # every draw then sums over the successors of its contexts
            place, width = np.full_like(place, -1), 0
        made = Bridge(self._messages.of(forced), np.empty((len(forced), width)), place)
        fill_sums(tuple(self._automaton), forced, tuple(made))
        return made


def _size(bridge: Bridge) -> int:
    return bridge.messages.nbytes + bridge.sums.nbytes
