"""Arrays as JSON values, and a digest of such values."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from seqgen.errors import integer

# the dtypes of states; the text in a state is looked up here, since `np.dtype` evaluates what it is given
_DTYPES = {
    dtype.str: dtype
    for dtype in map(np.dtype, ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"))
}


def digest(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON values without their own "digest"."""
    rest = {key: value for key, value in values.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def pack(array: np.ndarray) -> dict[str, Any]:
    """Convert an array to a JSON value."""
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}


def unpack(packed: Mapping[str, Any]) -> np.ndarray:
    """Convert a JSON value of `pack` to the array, or raise ValueError, LookupError or TypeError."""
    dtype = _DTYPES[packed["dtype"]]
    shape = [integer("shape", length, low=0) for length in packed["shape"]]
    return np.frombuffer(base64.b64decode(packed["data"], validate=True), dtype).reshape(shape)
