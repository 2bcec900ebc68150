"""The base of sinks that write samples one after another although the chunks of several lanes alternate."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from pipelines.sinks.base import Sink
from seqgen.codecs import Codec
from seqgen.streaming import Chunk


class InOrderSink(Sink):
    """Base class of sinks for a single file; a subclass implements `begin`, `put` and `end`.

    Chunks of the sample with the lowest index are written immediately; chunks of later samples are buffered in memory.
    """

    def __init__(self, path: str | Path, codec: Codec) -> None:
        super().__init__(path, codec)
        self._waiting: dict[int, list[Chunk]] = {}
        self._next: int | None = None
        self._open_sample = False

    @abstractmethod
    def put(self, chunk: Chunk) -> None:
        """Write a chunk of the current sample."""

    def begin(self) -> None:
        """Write the start of a sample."""

    def end(self) -> None:
        """Write the end of a sample, complete or not."""

    def write(self, chunk: Chunk) -> None:
        if self._next is None:
            self._next = chunk.index
        self._waiting.setdefault(chunk.index, []).append(chunk)
        while self._next in self._waiting and self._write_out(self._waiting.pop(self._next)):
            self._next += 1

    def finish(self) -> None:
        """Write the buffered samples, each with its end."""
        self._end()
        for index in sorted(self._waiting):
            self._write_out(self._waiting[index])
            self._end()

    def _write_out(self, chunks: list[Chunk]) -> bool:
        """Write chunks of one sample, and return whether it is complete."""
        for chunk in chunks:
            if not self._open_sample:
                self._open_sample = True
                self.begin()
            self.put(chunk)
        if chunks[-1].last:
            self._end()
        return chunks[-1].last

    def _end(self) -> None:
        if self._open_sample:
            self._open_sample = False
            self.end()
