"""Codecs of text as characters of a fixed vocabulary, or as UTF-8 bytes."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgen.codecs.base import Codec, Decoder


class Characters(Codec):
    """Text over a fixed vocabulary of characters.

    Example:
        >>> Characters("helo").encode("hello").tolist()
        [0, 1, 2, 2, 3]
    """

    name = "characters"
    medium = "text"
    unit = "characters"
    vocabulary: str

    def __init__(self, vocabulary: str | Sequence[str]) -> None:
        characters = list(vocabulary)
        if not characters:
            raise ValueError("vocabulary must hold at least one character, got none")
        if any(not isinstance(c, str) or len(c) != 1 for c in characters):
            bad = next(c for c in characters if not isinstance(c, str) or len(c) != 1)
            raise ValueError(f"vocabulary must hold single characters, got {bad!r}")
        if len(set(characters)) != len(characters):
            twice = next(c for c in characters if characters.count(c) > 1)
            raise ValueError(f"vocabulary must not repeat a character, got {twice!r} twice")
        self.vocabulary = "".join(characters)
        self.size = len(characters)
        self._index = {c: i for i, c in enumerate(characters)}
        self._table = np.array([ord(c) for c in characters], dtype="<u4")

    def encode(self, data: Any) -> np.ndarray:
        if not isinstance(data, str):
            return self._symbols(data)
        try:
            return np.array([self._index[c] for c in data], dtype=np.int64)
        except KeyError as error:
            raise ValueError(
                f"the text has the character {error.args[0]!r}, which the model does not know; "
                f"it knows {self.vocabulary!r}"
            ) from None

    def decode(self, symbols: np.ndarray) -> str:
        if len(symbols) == 1:
            return self.vocabulary[symbols[0]]
        return self._table[symbols].tobytes().decode("utf-32-le", "surrogatepass")

    def join(self, parts: list[Any]) -> str:
        return "".join(parts)

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "vocabulary": self.vocabulary}


class Bytes(Codec):
    """Text as UTF-8 bytes; a character whose bytes are split between two chunks is part of the second.

    Invalid UTF-8 decodes to U+FFFD, independently of the chunk boundaries.
    """

    name = "bytes"
    medium = "text"
    unit = "bytes"
    size = 256
    exact = False  # invalid UTF-8

    def encode(self, data: Any) -> np.ndarray:
        if isinstance(data, str):
            data = data.encode()
        if isinstance(data, (bytes, bytearray)):
            return np.frombuffer(bytes(data), np.uint8).astype(np.int64)
        return self._symbols(data)

    def decode(self, symbols: np.ndarray) -> str:
        return symbols.astype(np.uint8).tobytes().decode("utf-8", "replace")

    def decoder(self) -> Decoder:
        return _Utf8Decoder()

    def join(self, parts: list[Any]) -> str:
        return "".join(parts)


class _Utf8Decoder:
    """Python's incremental decoder, with a JSON state: the bytes of an incomplete character."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __call__(self, symbols: np.ndarray, last: bool) -> str:
        return self._decoder.decode(symbols.astype(np.uint8).tobytes(), last)

    def state(self) -> list[int]:
        return list(self._decoder.getstate()[0])

    def restore(self, state: list[int]) -> None:
        if not isinstance(state, list) or len(state) > 3:
            raise ValueError(f"the state of a UTF-8 decoder is at most three bytes, got {state!r}")
        self._decoder.setstate((bytes(state), 0))
