"""bfloat16 numbers as uint16: conversion in compiled code, and packing in pairs for products."""

from __future__ import annotations

import numpy as np

from seqgen.checkpoint import to_bfloat16
from seqgen.kernels.compile import inline
from seqgen.kernels.padding import WIDTH

_SHIFT, _ROUND, _LAST = np.uint32(16), np.uint32(0x7FFF), np.uint32(1)


def in_pairs(numbers: np.ndarray) -> np.ndarray:
    """Round float32 numbers (32 n,) to bfloat16 and pack two vectors of 16 into one of 32-bit words: (16 n,) uint32.

    The first vector is in the low halves, so that a shift and a mask widen both in a register.
    """
    pairs = to_bfloat16(numbers).reshape(-1, 2, WIDTH).astype(np.uint32)
    return (pairs[:, 0] | pairs[:, 1] << _SHIFT).ravel()


@inline
def wide(bits):
    """Return the float32 value of a bfloat16."""
    return np.uint32(np.uint32(bits) << _SHIFT).view(np.float32)


@inline
def narrow(x):
    """Return the bfloat16 nearest to a float32, ties to even."""
    bits = np.float32(x).view(np.uint32)
    return np.uint16(np.uint32(bits + _ROUND + ((bits >> _SHIFT) & _LAST)) >> _SHIFT)
