"""The operator `Paced`: deliver audio chunks in real time, and count underruns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.stage import Stage
from seqgen.errors import real
from seqgen.streaming import Chunk


class Paced(Stage[Chunk]):
    """Delivers chunks at most `lead` seconds ahead of a player that starts with the first chunk.

    A chunk computed after its playback time makes the player wait (an underrun) and delays the playback clock by that
    time. Delays caused by the consumer between two chunks, such as a full pipe, also delay the clock, but are not
    counted. The clock starts with the first chunk, and again after a resume.

    Args:
        source: yields the chunks of one sample after another.
        rate: symbols per second.
        lead: maximum lead in seconds of the end of a chunk; a chunk longer than that is delivered when the previous one
            ends.
        clock, sleep: replacements of time.monotonic and time.sleep for tests.

    Attributes:
        symbols: symbols delivered. underruns: number of underruns. starved: total seconds of underruns.
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
        self._end: float | None = None  # when playback of the delivered chunks ends

    def __next__(self) -> Chunk:
        # a late request is a delay of the consumer, not of the source
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
