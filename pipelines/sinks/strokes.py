"""Pen strokes as a PNG: a grid with one drawing per sample."""

from __future__ import annotations

from typing import Any

from pipelines.sinks.base import Sink
from seqgen.streaming import Chunk


class StrokesSink(Sink):
    """Collects the samples of a stroke model and draws them as PNG at the end."""

    binary = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._parts: dict[int, list[Any]] = {}

    def write(self, chunk: Chunk) -> None:
        self._parts.setdefault(chunk.index, []).append(chunk.data)

    def finish(self) -> None:
        from seqgen.data.strokes import draw_strokes

        draw_strokes([self.codec.join(self._parts[index]) for index in sorted(self._parts)], self.file)
