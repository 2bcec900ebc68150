"""Keyed fingerprints of memory, by which the unchanged parameters of a model are recognized in one pass over them.

A block of 512 words of 64 bits has four sums, NH with Toeplitz keys (Black et al., "UMAC: fast and secure message
authentication", CRYPTO 1999, theorems 4.2 and 4.3): of the products of the two halves of each word, after a key was
added to each half. For two blocks that differ anywhere, and a key drawn without regard to them, all four sums are equal
with probability 2^-128 at most. The key is drawn by the operating system, once per process.

The sums are stored, not hashed further: 32 bytes for 4096.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

import numpy as np
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgen.kernels.compile import inline, kernel

BLOCK = 512  # words of 8 bytes
_SUMS = 4
_APART = 8  # words between the keys of two sums: a vector register
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


class Fingerprint:
    """The fingerprint of pieces of memory.

    Args:
        addresses: where the pieces begin. sizes: of the pieces, in bytes.
    """

    def __init__(self, addresses: Sequence[int], sizes: Sequence[int]) -> None:
        self._sizes = np.array(sizes, np.int64)
        blocks = sum(-(-size // (8 * BLOCK)) for size in sizes)
        self._sums = np.empty((blocks, _SUMS), np.uint64)
        take_sums(np.array(addresses, np.int64), self._sizes, _key(), self._sums)

    def matches(self, addresses: Sequence[int]) -> bool:
        """Return whether pieces of the same sizes have the same bytes; False if one is not at a multiple of 8."""
        return bool(has_sums(np.array(addresses, np.int64), self._sizes, _key(), self._sums))


@cache
def _key() -> np.ndarray:
    """Return the key of this process: (2, words) uint64 below 2^32, for the lower and the upper half of each word."""
    words = BLOCK + (_SUMS - 1) * _APART
    drawn = np.frombuffer(os.urandom(8 * words), np.uint32)
    # begins with a cache line, since vectors that cross one take twice as long to load
    room = np.empty(2 * words + 8, np.uint64)
    key = room[-room.ctypes.data % 64 // 8 :][: 2 * words]
    key[:] = drawn
    return key.reshape(2, words)


@intrinsic
def _pointer(typingctx, address):
    """Return an address as a pointer."""

    def generate(context, builder, sig, arguments):
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@inline
def _add(sums, word, i, key):
    """Return sums with the products of a word at place `i` of a block."""
    low, high = key
    # the masks tell LLVM to multiply 32 by 32 bits; they are no instructions
    lower, upper = word, word >> _HALF
    return (
        sums[0] + ((lower + low[i]) & _LOW) * ((upper + high[i]) & _LOW),
        sums[1] + ((lower + low[i + _APART]) & _LOW) * ((upper + high[i + _APART]) & _LOW),
        sums[2] + ((lower + low[i + 2 * _APART]) & _LOW) * ((upper + high[i + 2 * _APART]) & _LOW),
        sums[3] + ((lower + low[i + 3 * _APART]) & _LOW) * ((upper + high[i + 3 * _APART]) & _LOW),
    )


@inline
def _sums_of(words, bits, key):
    """Return the sums of a block: of `words` (N,) uint64, and of a last word `bits` if N is less than 512."""
    zero = np.uint64(0)
    sums = zero, zero, zero, zero
    if len(words) == BLOCK:
        for i in range(BLOCK):
            sums = _add(sums, words[i], i, key)
        return sums
    for i in range(len(words)):
        sums = _add(sums, words[i], i, key)
    return _add(sums, bits, len(words), key)


@inline
def _last_bits(address, size):
    """Return the bytes of a piece beyond its last whole word as a word, 0 if there are none."""
    data = carray(_pointer(address), (size,), np.uint8)
    bits = np.uint64(0)
    for i in range(size // 8 * 8, size):
        bits = (bits << np.uint64(8)) | np.uint64(data[i])
    return bits


@kernel
def take_sums(addresses, sizes, key, sums):
    """Write the sums (blocks, 4) of the pieces of memory at `addresses` (P,) of `sizes` (P,) bytes."""
    block = 0
    for k in range(len(addresses)):
        words = carray(_pointer(addresses[k]), (sizes[k] // 8,), np.uint64)
        bits = _last_bits(addresses[k], sizes[k])
        for begin in range(0, (sizes[k] + 7) // 8, BLOCK):
            a, b, c, d = _sums_of(words[begin : begin + BLOCK], bits, (key[0], key[1]))
            sums[block, 0], sums[block, 1], sums[block, 2], sums[block, 3] = a, b, c, d
            block += 1


@kernel
def has_sums(addresses, sizes, key, sums):
    """Return whether the sums of pieces of memory are `sums`, as written by `take_sums`."""
    block = 0
    for k in range(len(addresses)):
        if addresses[k] % 8:
            return False
        words = carray(_pointer(addresses[k]), (sizes[k] // 8,), np.uint64)
        bits = _last_bits(addresses[k], sizes[k])
        for begin in range(0, (sizes[k] + 7) // 8, BLOCK):
            a, b, c, d = _sums_of(words[begin : begin + BLOCK], bits, (key[0], key[1]))
            own = sums[block]
            if ((a ^ own[0]) | (b ^ own[1]) | (c ^ own[2]) | (d ^ own[3])) != np.uint64(0):
                return False
            block += 1
    return True
