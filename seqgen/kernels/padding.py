"""How far the sizes of packed matrices are rounded up, in plain Python: kernels and schemas both have to know it."""

from __future__ import annotations

WIDTH = 16
"""Numbers in a vector."""

BLOCK = 64
"""Outputs in a block of a packed matrix."""


def padded(outputs: int) -> int:
    """`outputs` rounded up to whole blocks."""
    return -(-outputs // BLOCK) * BLOCK


def whole_vectors(numbers: int) -> int:
    """`numbers` rounded up to whole vectors."""
    return -(-numbers // WIDTH) * WIDTH
