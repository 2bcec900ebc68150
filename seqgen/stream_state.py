"""The state of a stream as JSON values: arrays, chunks computed but not yet delivered, and a digest of all of it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqgen.engine import StepOutput
from seqgen.errors import choice, integer

REASONS = ("length", "stop", "end", "stuck")
"""The reasons why a sample ends; "stuck" is a lane whose controls leave no symbol to draw."""


def digest(state: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a state without its own "digest"."""
    rest = {key: value for key, value in state.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def pack(array: np.ndarray) -> dict[str, Any]:
    """Convert an array to a JSON value."""
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}


def unpack(packed: Mapping[str, Any]) -> np.ndarray:
    """Convert a JSON value of `pack` to the array."""
    data = base64.b64decode(packed["data"])
    return np.frombuffer(data, np.dtype(packed["dtype"])).reshape(packed["shape"])


def lane_integers(name: str, values: Any, lanes: int, *, low: int, high: int) -> np.ndarray:
    """Return one integer per lane, (B,) int64, or raise TypeError/ValueError."""
    if not isinstance(values, list) or len(values) != lanes:
        raise ValueError(f"{name} must be a list of {lanes} numbers")
    return np.array([integer(name, value, low=low, high=high) for value in values], np.int64)


def unpacked(piece: Any, lanes: int, chunk: int) -> dict[str, Any]:
    """Check the numbers of an undelivered chunk and unpack its arrays."""
    return {
        "lane": integer("lane", piece["lane"], low=0, high=lanes - 1),
        "index": integer("index", piece["index"], low=0, high=2**63 - 1),
        "offset": integer("offset", piece["offset"], low=0, high=2**63 - 1),
        "count": integer("count", piece["count"], low=0, high=chunk),
        "reason": None if piece["reason"] is None else choice("reason", piece["reason"], REASONS),
        "symbols": unpack(piece["symbols"]),
        "extra": {str(name): unpack(packed) for name, packed in piece["extra"].items()},
    }


def require_same_position(caches: Mapping[str, np.ndarray], index: np.ndarray, offset: np.ndarray) -> None:
    """Raise ValueError unless the engine's lanes are at the samples and positions that the stream records.

    Args:
        caches: state of the engine: "index" is the sample of each lane, "position" or "row" the position in it.
        index, offset: (B,) of the stream; -1 is an idle lane.
    """
    running = index >= 0
    for name, wanted in (("index", index), ("position", offset), ("row", offset)):
        if name in caches and (caches[name].astype(np.int64) != wanted)[running].any():
            raise ValueError(f"its {name} is not that of the stream")


def rebuild(waiting: Sequence[Mapping[str, Any]], lanes: int) -> StepOutput | None:
    """Return a StepOutput that holds only the undelivered chunks, as returned by `unpacked`."""
    if not waiting:
        return None
    symbols = _ragged([(p["lane"], p["symbols"]) for p in waiting], lanes)
    names = waiting[0]["extra"]
    extra = {name: _ragged([(p["lane"], p["extra"][name]) for p in waiting], lanes) for name in names}
    return StepOutput(symbols, np.zeros(lanes, np.int64), np.zeros(lanes, bool), extra)


def _ragged(rows: list[tuple[int, np.ndarray]], lanes: int) -> np.ndarray:
    longest = max(len(row) for _, row in rows)
    first = rows[0][1]
    whole = np.zeros((lanes, longest, *first.shape[1:]), first.dtype)
    for lane, row in rows:
        whole[lane, : len(row)] = row
    return whole
