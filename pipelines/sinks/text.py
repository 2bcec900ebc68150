"""Plain text: samples in the order of their indices, each ended by a newline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.sinks.base import SinkRequest
from pipelines.sinks.in_order import InOrderSink
from seqgen.codecs import Codec
from seqgen.streaming import Chunk


class TextSink(InOrderSink):
    """Writes text as it comes; numbers one vector a line, lists one item a line.

    `prefix` is put before every sample (a prompt); `flush` sends every chunk on at once.
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
    """Data of any codec as text: strings as they are, arrays a line for each vector, lists by spaces."""
    if isinstance(data, str):
        return data
    if isinstance(data, np.ndarray):
        rows = data.reshape(len(data), -1) if data.size else data[:0]
        return "".join(" ".join(f"{value:.6g}" for value in row) + "\n" for row in rows.tolist())
    return "".join(f"{item} " for item in data)
