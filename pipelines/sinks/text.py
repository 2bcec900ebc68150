"""Plain text: samples in index order, each followed by a newline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.sinks.base import SinkRequest
from pipelines.sinks.in_order import InOrderSink
from seqgen.codecs import Codec
from seqgen.streaming import Chunk


class TextSink(InOrderSink):
    """Writes text unchanged, numbers with one vector per line, and lists with one item per line.

    `prefix` (a prompt) is written before every sample; `flush` flushes after every chunk.
    """

    def __init__(self, path: str | Path, codec: Codec, *, prefix: str = "", flush: bool = False) -> None:
        super().__init__(path, codec)
        self._prefix, self._flush = prefix, flush

    @classmethod
    def for_request(cls, request: SinkRequest) -> TextSink:
        prefix, prompt = "", request.prompt
        if prompt is not None and len(prompt):
            prefix = as_text(prompt) + request.codec.separator
        return cls(request.path, request.codec, prefix=prefix, flush=str(request.path) == "-")

    def begin(self) -> None:
        self.file.write(self._prefix)

    def put(self, chunk: Chunk) -> None:
        self.file.write(as_text(chunk.data))
        if self._flush:
            self.file.flush()

    def end(self) -> None:
        self.file.write("\n")
        if self._flush:
            self.file.flush()


def as_text(data: Any) -> str:
    """Format data of any codec as text: strings unchanged, arrays with one vector per line, lists joined by spaces."""
    if isinstance(data, str):
        return data
    if isinstance(data, np.ndarray):
        rows = data.reshape(len(data), -1) if data.size else data[:0]
        return "".join(" ".join(f"{value:.6g}" for value in row) + "\n" for row in rows.tolist())
    return "".join(f"{item} " for item in data)
