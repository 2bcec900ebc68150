"""Rounding of the sizes of packed matrices, in plain Python because kernels and schemas use it."""

from __future__ import annotations

WIDTH = 16
"""Numbers in a vector."""

PANEL = 32
"""Outputs whose weights are adjacent in a packed matrix: two vectors, which share words of bfloat16."""

BLOCK = 64
"""Outputs of a packed matrix are rounded up to a multiple of this, two panels."""


def padded(outputs: int) -> int:
    """Round `outputs` up to whole blocks."""
    return -(-outputs // BLOCK) * BLOCK


def whole_vectors(numbers: int) -> int:
    """Round `numbers` up to whole vectors."""
    return -(-numbers // WIDTH) * WIDTH
