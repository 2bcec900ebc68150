"""JSON Lines: one object per sample, in index order."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.sinks.base import Sink, SinkRequest
from seqgen.codecs import Codec
from seqgen.streaming import Chunk


class JSONLSink(Sink):
    """Writes {"index", "text" or "data", "reason", …} for each complete sample.

    The entries of `fixed` (a prompt, a seed) are added to every line. Samples interrupted by Ctrl-C are written with
    the reason "interrupted".
    """

    def __init__(self, path: str | Path, codec: Codec, *, fixed: dict[str, Any] | None = None) -> None:
        super().__init__(path, codec)
        self._fixed = fixed or {}
        self._parts: dict[int, list[Chunk]] = {}
        self._complete: set[int] = set()
        self._next: int | None = None

    @classmethod
    def for_request(cls, request: SinkRequest) -> JSONLSink:
        prompt = {"prompt": request.prompt} if isinstance(request.prompt, str) and request.prompt else {}
        return cls(request.path, request.codec, fixed={**prompt, **request.fixed})

    def write(self, chunk: Chunk) -> None:
        if self._next is None:
            self._next = chunk.index
        self._parts.setdefault(chunk.index, []).append(chunk)
        if chunk.last:
            self._complete.add(chunk.index)
        while self._next in self._complete:
            self._line(self._next)
            self._complete.discard(self._next)
            self._next += 1

    def finish(self) -> None:
        for index in sorted(self._parts):
            self._line(index)

    def _line(self, index: int) -> None:
        chunks = self._parts.pop(index)
        data = self.codec.join([chunk.data for chunk in chunks])
        line: dict[str, Any] = {"index": index, **self._fixed}
        line["text" if isinstance(data, str) else "data"] = _plain(data)
        names = {name for chunk in chunks for name in chunk.extra if name != "reason"}
        for name in sorted(names):
            line[name] = _plain(np.concatenate([chunk.extra[name] for chunk in chunks]))
        line["reason"] = chunks[-1].extra.get("reason", "interrupted")
        self.file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _finite(value.tolist()) if value.dtype.kind == "f" else value.tolist()
    return value


def _finite(value: Any) -> Any:
    # -inf, the log-probability of an impossible symbol, is not a JSON number
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value if math.isfinite(value) else None
