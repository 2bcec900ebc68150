"""Loops over a piece of a flat array that must be vector code, and are not if they are written as one would.

For a signed index that is a sum Numba asks whether it is negative, and LLVM then does not vectorise the loop, which
makes a gate ten times as slow. The indices here are therefore unsigned.
"""

from __future__ import annotations

import numpy as np

from seqgen.kernels import activations
from seqgen.kernels.compile import inline

_ZERO = np.float32(0.0)


@inline
def put(source, target):
    """Copy an array to the beginning of another, at least as long: what `target[:] = source` does, which would make
    Numba compile the message about sizes that differ, and take seconds."""
    for j in range(len(source)):
        target[j] = source[j]


@inline
def copy(source, source_at, target, target_at, size):
    """Copy `size` numbers."""
    for j in range(size):
        target[np.uintp(target_at + j)] = source[np.uintp(source_at + j)]


@inline
def add(source, source_at, target, target_at, size):
    """Add `size` numbers to others."""
    for j in range(size):
        target[np.uintp(target_at + j)] += source[np.uintp(source_at + j)]


@inline
def relu(source, source_at, target, target_at, size):
    """The larger of 0 and each of `size` numbers."""
    for j in range(size):
        target[np.uintp(target_at + j)] = max(source[np.uintp(source_at + j)], _ZERO)


@inline
def gate(sums, left_at, right_at, target, target_at, size):
    """tanh of `size` sums times the sigmoid of others."""
    for j in range(size):
        left, right = sums[np.uintp(left_at + j)], sums[np.uintp(right_at + j)]
        target[np.uintp(target_at + j)] = activations.tanh(left) * activations.sigmoid(right)
