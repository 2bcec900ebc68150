"""Rounding of the sizes of packed matrices, in plain Python because kernels and schemas use it."""

from __future__ import annotations

WIDTH = 16
"""Numbers in a vector."""

BLOCK = 64
"""Outputs in a block of a packed matrix."""


def padded(outputs: int) -> int:
    """Round `outputs` up to whole blocks."""
    return -(-outputs // BLOCK) * BLOCK


def whole_vectors(numbers: int) -> int:
    """Round `numbers` up to whole vectors."""
    return -(-numbers // WIDTH) * WIDTH
