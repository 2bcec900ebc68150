"""Fingerprints of memory: their definition, and that every changed bit is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from seqgen.kernels import fingerprint
from seqgen.kernels.fingerprint import BLOCK, Fingerprint

SIZES = [1, 4, 7, 8, 12, 64, 8 * BLOCK - 4, 8 * BLOCK, 8 * BLOCK + 4, 24 * BLOCK + 20]


def of(*pieces: np.ndarray) -> Fingerprint:
    return Fingerprint([piece.ctypes.data for piece in pieces], [piece.nbytes for piece in pieces])


def drawn(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def expected(piece: bytes) -> list[list[int]]:
    """Return the sums of each block by the definition, in Python's integers."""
    low, high = fingerprint._key().tolist()
    words = [int.from_bytes(piece[i : i + 8], "little") for i in range(0, len(piece) // 8 * 8, 8)]
    if len(words) % BLOCK or len(piece) % 8:
        # the other bytes, or 0
        words.append(int.from_bytes(piece[len(words) * 8 :], "big"))

    def product(word: int, i: int) -> int:
        return ((word + low[i]) % 2**32) * (((word >> 32) + high[i]) % 2**32)

    return [
        [
            sum(product(word, i + apart) for i, word in enumerate(words[begin : begin + BLOCK])) % 2**64
            for apart in (0, 8, 16, 24)
        ]
        for begin in range(0, len(words), BLOCK)
    ]


def test_the_sums_are_those_of_the_definition():
    pieces = [drawn(size) for size in SIZES]
    assert of(*pieces)._sums.tolist() == [sums for piece in pieces for sums in expected(piece.tobytes())]


@pytest.mark.parametrize("size", SIZES)
def test_every_changed_byte_is_noticed(size):
    pieces = [drawn(40, 1), drawn(size), drawn(8, 2)]
    taken = of(*pieces)
    copies = [piece.copy() for piece in pieces]
    addresses = [copy.ctypes.data for copy in copies]
    assert taken.matches(addresses)
    for place in range(0, size, 1 + size // 999):
        for bit in (0, 7):
            copies[1][place] ^= 1 << bit
            assert not taken.matches(addresses)
            copies[1][place] ^= 1 << bit
    assert taken.matches(addresses)
    assert not taken.matches(addresses[::-1])


def test_words_that_change_places_are_noticed():
    piece = drawn(8 * BLOCK)
    taken = of(piece)
    words = piece.view(np.uint64)
    for distance in (1, 8, 16, 24, 256):
        for changed in (np.roll(words, distance), words[::-1].copy(), np.roll(piece, 4).view(np.uint64)):
            assert not taken.matches([changed.ctypes.data])
    copied = words.copy()
    assert taken.matches([copied.ctypes.data])


def test_zeros_and_signs_are_different():
    zeros = np.zeros(1000, np.float32)
    negative, one = -zeros, zeros.copy()
    one[-1] = 1e-45
    for other in (negative, one):
        assert not of(zeros).matches([other.ctypes.data])


def test_memory_at_no_multiple_of_8_is_left_to_others():
    room = np.zeros(101, np.float32)
    taken = of(np.zeros(100, np.float32))
    assert taken.matches([room.ctypes.data])
    assert not taken.matches([room.ctypes.data + 4])


def test_the_key_has_32_random_bits_in_each_word_and_begins_a_cache_line():
    key = fingerprint._key()
    assert key.ctypes.data % 64 == 0
    assert key[1].ctypes.data % 64 == 0
    assert key.max() < 2**32
    assert len(np.unique(key)) > key.size - 3
    assert fingerprint._key() is key
    assert fingerprint._key.__wrapped__().tolist() != key.tolist()
