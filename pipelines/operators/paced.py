"""Real time: chunks of audio are given no faster than a player takes them, and late ones are counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.stage import Stage
from seqgen.errors import real
from seqgen.streaming import Chunk


class Paced(Stage[Chunk]):
    """Gives chunks at most `lead` seconds before their time, as a player that began with the first would need them.

    A chunk that is computed too late makes the player wait: an underrun. From then on its clock runs that much
    later. Time that the consumer spends between two chunks, such as in a full pipe, is not the source's fault and
    moves the clock too, uncounted. The clock starts with the first chunk, and anew after a resume.

    Args:
        source: of chunks of one sample after another.
        rate: symbols per second.
        lead: how many seconds a chunk may end before its time; a longer chunk is given when the one before ends.
        clock, sleep: for tests; like time.monotonic and time.sleep.

    Attributes:
        symbols: given so far. underruns: how often the player had to wait, and `starved`, how many seconds in all.
    """

    def __init__(
        self,
        source: Stage[Chunk],
        rate: float,
        *,
        lead: float = 0.2,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.source: Stage[Chunk] = source
        self._rate = real("rate", rate, above=0.0)
        self._lead = real("lead", lead, low=0.0)
        self._clock, self._sleep = clock, sleep
        self.symbols, self.underruns = 0, 0
        self.starved = 0.0
        self._end: float | None = None  # when the player will have played all that it was given

    def __next__(self) -> Chunk:
        # a consumer that comes late has kept its player waiting itself
        excused = self._end is None or self._clock() > self._end
        chunk = next(self.source)
        duration = len(chunk.data) / self._rate
        now = self._clock()
        if self._end is None or excused:
            self._end = now
        elif duration and now > self._end:
            self.underruns += 1
            self.starved += now - self._end
            self._end = now
        early = self._end + duration - now - max(self._lead, duration)
        if early > 0:
            self._sleep(early)
        self._end += duration
        self.symbols += len(chunk.data)
        return chunk

    def own_state(self) -> dict[str, Any]:
        return {"symbols": self.symbols, "underruns": self.underruns, "starved": self.starved}

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        self.symbols, self.underruns = int(state["symbols"]), int(state["underruns"])
        self.starved, self._end = float(state["starved"]), None
