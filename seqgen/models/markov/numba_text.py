"""Conversion of many symbols to many texts: compiled code copies the pieces of text, and Python only splits the result.

A piece of text is stored as UTF-8 in slots of 16 bytes, so that copying it is usually a single vector move.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from seqgen.kernels.compile import kernel

_SLOT = 16
_SEPARATORS = "\n\0\x1e\x1f"


def separable(pieces: Iterable[Any]) -> bool:
    """Return whether there is a character that can separate texts made of these pieces."""
    return bool(_unused(pieces))


def _unused(pieces: Iterable[Any]) -> str:
    return "".join(c for c in _SEPARATORS if not any(c in piece for piece in pieces))


class Texts:
    """Concatenates texts, one piece of text per symbol.

    Args:
        pieces: the text of every symbol; they must be `separable`.
        between: the separator between two pieces, ASCII.
    """

    def __init__(self, pieces: Iterable[Any], between: str = "") -> None:
        self._separator = _unused(pieces)[0]
        self._between = len(between)
        encoded = [(piece + between).encode("utf-8", "surrogatepass") for piece in pieces]
        self._sizes = np.array([len(piece) for piece in encoded], np.int32)
        slots = -(-self._sizes // _SLOT)
        self._first = (np.cumsum(slots) - slots).astype(np.int32)
        padded = b"".join(piece.ljust(n * _SLOT, b"\0") for piece, n in zip(encoded, slots, strict=True))
        self._slots = np.frombuffer(padded, np.uint8).reshape(-1, _SLOT).copy()

    def join(self, symbols: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> list[str]:
        """Return the texts of symbols[begins[m] : ends[m]]."""
        size = _measure(symbols, begins, ends, self._sizes)
        written = np.empty(size + _SLOT, np.uint8)
        used = _write(
            symbols, begins, ends, self._first, self._sizes, self._slots, self._between,
            ord(self._separator), written,
        )  # fmt: skip
        return str(written[: used - 1].data, "utf-8", "surrogatepass").split(self._separator)


@kernel
def _measure(symbols, begins, ends, sizes):
    total = len(begins)
    for m in range(len(begins)):
        for t in range(begins[m], ends[m]):
            total += sizes[symbols[t]]
    return total


@kernel
def _write(symbols, begins, ends, first, sizes, slots, between, separator, written):
    at = 0
    for m in range(len(begins)):
        for t in range(begins[m], ends[m]):
            symbol = symbols[t]
            size, slot = sizes[symbol], first[symbol]
            for done in range(0, size, _SLOT):
                for k in range(_SLOT):
                    written[at + done + k] = slots[slot, k]
                slot += 1
            at += size
        if ends[m] > begins[m]:
            at -= between
        written[at] = separator
        at += 1
    return at
