"""Loops over part of a flat array, written so that LLVM vectorises them.

If a signed index is a sum, Numba tests whether it is negative, and LLVM then does not vectorise the loop, which makes
a gate ten times slower. The indices here are therefore unsigned.
"""

from __future__ import annotations

import numpy as np

from seqgen.kernels import activations
from seqgen.kernels.compile import inline

_ZERO = np.float32(0.0)


@inline
def put(source, target):
    """Copy an array to the beginning of another that is at least as long.

    `target[:] = source` would make Numba compile its error message about different sizes, which takes seconds.
    """
    for j in range(len(source)):
        target[j] = source[j]


@inline
def copy(source, source_at, target, target_at, size):
    """Copy `size` numbers."""
    for j in range(size):
        target[np.uintp(target_at + j)] = source[np.uintp(source_at + j)]


@inline
def add(source, source_at, target, target_at, size):
    """Add `size` numbers of `source` to `target`."""
    for j in range(size):
        target[np.uintp(target_at + j)] += source[np.uintp(source_at + j)]


@inline
def relu(source, source_at, target, target_at, size):
    """Write max(0, x) for `size` numbers x."""
    for j in range(size):
        target[np.uintp(target_at + j)] = max(source[np.uintp(source_at + j)], _ZERO)


@inline
def gate(sums, left_at, right_at, target, target_at, size):
    """Write tanh(l) sigmoid(r) for `size` numbers l and r of `sums`, from left_at and right_at on."""
    for j in range(size):
        left, right = sums[np.uintp(left_at + j)], sums[np.uintp(right_at + j)]
        target[np.uintp(target_at + j)] = activations.tanh(left) * activations.sigmoid(right)
