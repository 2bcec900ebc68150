"""Checkpoints with any contents and right hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgen.checkpoint import FORMAT, Weights, _digest, versions
from tests.fuzzing.changes import changed_json, pick

_NAMES = {
    "float64": "F64", "float32": "F32", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip


def forged(family: Any, config: Any, arrays: Mapping[str, np.ndarray], **entries: Any) -> bytes:
    """Return a safetensors file as `save_weights` writes it, without any of its checks.

    Args:
        entries: of the description, in place of the right ones.
    """
    header = {
        "format": FORMAT,
        "family": family,
        "config": config,
        "card": {},
        "precision": "float32",
        "hash": Weights(family, config, arrays).hash,
        "versions": versions(),
        **entries,
    }
    return encoded({**header, "digest": _digest(header)}, arrays)


def encoded(header: Any, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of a safetensors file with the description `header`."""
    index: dict[str, Any] = {"__metadata__": {"seqgen": json.dumps(header)}}
    data = b""
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        offsets = [len(data), len(data) + len(raw)]
        index[name] = {"dtype": _NAMES[array.dtype.name], "shape": list(array.shape), "data_offsets": offsets}
        data += raw
    return _framed(json.dumps(index).encode(), data)


def damaged_bytes(blob: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with changes below the level of its arrays: in its index, its length or any byte."""
    size = int.from_bytes(blob[:8], "little")
    index, data = json.loads(blob[8 : 8 + size]), blob[8 + size :]
    kind = int(rng.integers(4))
    if kind == 0:
        return blob[: int(rng.integers(len(blob)))]
    if kind == 1:
        place = int(rng.integers(len(blob)))
        return blob[:place] + bytes([int(rng.integers(256))]) + blob[place + 1 :]
    if kind == 2:
        return pick(rng, (0, 1, size + 1, 2**31, 2**63, 2**64 - 1)).to_bytes(8, "little") + blob[8:]
    return _framed(json.dumps(changed_json(index, rng)).encode(), data)


def _framed(index: bytes, data: bytes) -> bytes:
    return len(index).to_bytes(8, "little") + index + data
