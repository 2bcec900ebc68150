"""The state of a stream as JSON values: arrays, the round that was not delivered yet, and a digest over it all."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqgen.engine import StepOutput


def digest(state: Mapping[str, Any]) -> str:
    """SHA-256 over a state without its own "digest"."""
    rest = {key: value for key, value in state.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def pack(array: np.ndarray) -> dict[str, Any]:
    """An array as a JSON value."""
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}


def unpack(packed: Mapping[str, Any]) -> np.ndarray:
    """The array that `pack` made a JSON value of."""
    data = base64.b64decode(packed["data"])
    return np.frombuffer(data, np.dtype(packed["dtype"])).reshape(packed["shape"])


def rebuild(waiting: Sequence[Mapping[str, Any]], lanes: int) -> StepOutput | None:
    """A round that holds just the pieces that were not delivered."""
    if not waiting:
        return None
    symbols = _ragged([(p["lane"], unpack(p["symbols"])) for p in waiting], lanes)
    names = waiting[0]["extra"]
    extra = {name: _ragged([(p["lane"], unpack(p["extra"][name])) for p in waiting], lanes) for name in names}
    return StepOutput(symbols, np.zeros(lanes, np.int64), np.zeros(lanes, bool), extra)


def _ragged(rows: list[tuple[int, np.ndarray]], lanes: int) -> np.ndarray:
    longest = max(len(row) for _, row in rows)
    first = rows[0][1]
    whole = np.zeros((lanes, longest, *first.shape[1:]), first.dtype)
    for lane, row in rows:
        whole[lane, : len(row)] = row
    return whole
