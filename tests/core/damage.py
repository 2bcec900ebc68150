"""Modification and comparison of checkpoints."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights


def assert_same_weights(ours: Weights, theirs: Weights) -> None:
    """Assert the same model: family, configuration, precision and every array with its dtype."""
    assert (ours.family, dict(ours.config), ours.precision) == (
        theirs.family,
        dict(theirs.config),
        theirs.precision,
    )
    assert set(ours.arrays) == set(theirs.arrays)
    for name, array in theirs.arrays.items():
        assert ours.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(ours.arrays[name], array)


def rewritten(blob: bytes, **fields: Any) -> bytes:
    """Return the checkpoint with fields of its description replaced and its own digests unchanged."""
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    description = json.loads(header["__metadata__"]["seqgen"]) | fields
    header["__metadata__"]["seqgen"] = json.dumps(description)
    encoded = json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + blob[8 + size :]
