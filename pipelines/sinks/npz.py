"""NumPy archives with data and indices of samples, for numeric models."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.sinks.base import Sink
from seqgen.streaming import Chunk


class NPZSink(Sink):
    """Writes arrays "index" (n,), "length" (n,) and "data", the concatenated vectors of all samples, and likewise every
    extra array such as "states". All data are kept in memory until the end.
    """

    binary = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._parts: dict[int, list[Chunk]] = {}

    def write(self, chunk: Chunk) -> None:
        self._parts.setdefault(chunk.index, []).append(chunk)

    def finish(self) -> None:
        indices = sorted(self._parts)
        chunks = [chunk for index in indices for chunk in self._parts[index]]
        arrays = {
            "index": np.array(indices, np.int64),
            "length": np.array([sum(len(c.data) for c in self._parts[i]) for i in indices], np.int64),
            "data": self.codec.join([chunk.data for chunk in chunks]),
        }
        for name in sorted({name for chunk in chunks for name in chunk.extra if name != "reason"}):
            arrays[name] = np.concatenate([chunk.extra[name] for chunk in chunks])
        np.savez_compressed(self.file, allow_pickle=False, **arrays)
