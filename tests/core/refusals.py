"""Error messages of models that are refused."""

from __future__ import annotations

import tracemalloc

import pytest

from seqgen.checkpoint import Weights
from seqgen.errors import SeqgenError
from seqgen.registry import validated


def refusal(weights: Weights, most: int = 1 << 24) -> str:
    """Return the error message for a model, raised without allocating more than `most` bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(SeqgenError) as error:
            validated(weights)
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
    return str(error.value)
