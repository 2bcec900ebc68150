"""Plain text: samples in the order of their indices, each ended by a newline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.sinks.base import Sink
from seqgen.codecs import Codec
from seqgen.streaming import Chunk


class TextSink(Sink):
    """Writes text as it comes; numbers one vector a line, lists one item a line.

    The sample with the lowest index is written live. Chunks of later samples, which come in between when
    batch > 1, wait for their turn. `prefix` is put before every sample (a prompt).
    """

    def __init__(self, path: str | Path, codec: Codec, *, prefix: str = "", flush: bool = False) -> None:
        super().__init__(path, codec)
        self._prefix, self._flush = prefix, flush
        self._waiting: dict[int, list[Chunk]] = {}
        self._current: int | None = None
        self._next: int | None = None

    def write(self, chunk: Chunk) -> None:
        if self._next is None:
            self._next = chunk.index
        self._waiting.setdefault(chunk.index, []).append(chunk)
        while self._next in self._waiting:
            if not self._write_out(self._waiting.pop(self._next)):
                break
            self._next += 1
        if self._flush:
            self.file.flush()

    def finish(self) -> None:
        for index in sorted(self._waiting):
            if self._current is not None:
                self._end()
            self._write_out(self._waiting[index])
        if self._current is not None:
            self._end()

    def _write_out(self, chunks: list[Chunk]) -> bool:
        """Write chunks of one sample; whether it is complete."""
        for chunk in chunks:
            if self._current is None:
                self._current = chunk.index
                self.file.write(self._prefix)
            self.file.write(as_text(chunk.data))
            if chunk.last:
                self._end()
                return True
        return False

    def _end(self) -> None:
        self.file.write("\n")
        self._current = None


def as_text(data: Any) -> str:
    """Data of any codec as text: strings as they are, arrays a line for each vector, lists by spaces."""
    if isinstance(data, str):
        return data
    if isinstance(data, np.ndarray):
        rows = data.reshape(len(data), -1) if data.size else data[:0]
        return "".join(" ".join(f"{value:.6g}" for value in row) + "\n" for row in rows.tolist())
    return "".join(f"{item} " for item in data)
