"""Codecs: symbols (small integers) to media and back.

A codec turns what a user gives into symbol arrays and what an engine makes into chunks of data. Decoding a
stream may need memory (half a UTF-8 character, the pen's position): `Decoder` holds it, one for each lane, and
its state is a JSON value so that a stream can be resumed at any chunk.
"""

from __future__ import annotations

import codecs as _codecs
import re
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from seqgen.errors import SeqgenError, integer


class Decoder(Protocol):
    """Turns the consecutive symbol blocks of one sample into data."""

    def __call__(self, symbols: np.ndarray, last: bool) -> Any: ...

    def state(self) -> Any: ...

    def restore(self, state: Any) -> None: ...


class Codec:
    """Base of all codecs; `size` is the number of symbols, or 0 where symbols are not integers."""

    name: str
    size: int = 0
    unit: str = "symbols"

    def encode(self, data: Any) -> np.ndarray:
        """One item of user data as an array of symbols (T,) or (T, D)."""
        raise NotImplementedError

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """One item or a list of items as a list of symbol arrays."""
        if isinstance(data, list):
            return [self.encode(item) for item in data]
        if isinstance(data, np.ndarray) and data.ndim == 2 and self.size:
            return [self.encode(row) for row in data]
        return [self.encode(data)]

    def decoder(self) -> Decoder:
        """A fresh decoder for one sample."""
        return _Stateless(self.decode)

    def decode(self, symbols: np.ndarray) -> Any:
        """The data of a whole array of symbols."""
        return symbols

    def join(self, parts: list[Any]) -> Any:
        """The data of a sample from the data of its chunks."""
        return np.concatenate(parts) if parts else np.zeros((0,))

    def config(self) -> dict[str, Any]:
        """A JSON description from which `codec_from_config` makes an equal codec."""
        return {"name": self.name}

    def _symbols(self, data: Any) -> np.ndarray:
        """An integer array that is checked against `size`."""
        array = np.asarray(data)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise TypeError(
                f"expected a 1-d integer array of symbols, got {array.dtype} of shape {array.shape}"
            )
        array = array.astype(np.int64)
        if array.size and (array.min() < 0 or array.max() >= self.size):
            bad = int(array[(array < 0) | (array >= self.size)][0])
            raise ValueError(f"symbols must be between 0 and {self.size - 1}, got {bad}")
        return array


class _Stateless:
    """A decoder that needs no memory."""

    def __init__(self, decode: Any) -> None:
        self._decode = decode

    def __call__(self, symbols: np.ndarray, last: bool) -> Any:
        return self._decode(symbols)

    def state(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        return None


class Characters(Codec):
    """Text over a fixed vocabulary of characters.

    Example:
        >>> Characters("helo").encode("hello").tolist()
        [0, 1, 2, 2, 3]
    """

    name = "characters"
    unit = "characters"

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
    """Text as the 256 byte values of UTF-8; a character split between two chunks comes with the second.

    Bytes that are no UTF-8 decode to U+FFFD, the same however the stream is cut.
    """

    name = "bytes"
    unit = "bytes"
    size = 256

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
    """Python's incremental decoder, with a JSON state: the bytes that wait for the rest of their character."""

    def __init__(self) -> None:
        self._decoder = _codecs.getincrementaldecoder("utf-8")("replace")

    def __call__(self, symbols: np.ndarray, last: bool) -> str:
        return self._decoder.decode(symbols.astype(np.uint8).tobytes(), last)

    def state(self) -> list[int]:
        return list(self._decoder.getstate()[0])

    def restore(self, state: list[int]) -> None:
        self._decoder.setstate((bytes(state), 0))


class Symbols(Codec):
    """Any hashable symbols; data are Python lists. Only strings, numbers and booleans can be saved.

    Example:
        >>> Symbols(["sun", "rain"]).encode(("rain", "sun")).tolist()
        [1, 0]
    """

    name = "symbols"

    def __init__(self, vocabulary: Iterable[Hashable]) -> None:
        self.vocabulary = list(vocabulary)
        self.size = len(self.vocabulary)
        self._index = {symbol: i for i, symbol in enumerate(self.vocabulary)}
        if len(self._index) != self.size:
            raise ValueError("vocabulary must not repeat a symbol")
        self._table = np.empty(self.size, dtype=object)
        self._table[:] = self.vocabulary

    def encode(self, data: Any) -> np.ndarray:
        if isinstance(data, np.ndarray) and data.dtype.kind in "iu":
            return self._symbols(data)
        if isinstance(data, str) and data in self._index:
            data = (data,)
        try:
            return np.array([self._index[symbol] for symbol in data], dtype=np.int64)
        except KeyError as error:
            some = ", ".join(repr(symbol) for symbol in self.vocabulary[:8])
            more = ", …" if self.size > 8 else ""
            raise ValueError(
                f"the model does not know the symbol {error.args[0]!r}; it knows {some}{more}"
            ) from None

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """A list of symbols is one sequence; a list of lists, tuples or arrays is as many."""
        if isinstance(data, list) and not all(self._is_sequence(item) for item in data):
            return [self.encode(data)]
        return super().encode_batch(data)

    def _is_sequence(self, item: Any) -> bool:
        if isinstance(item, tuple):
            return item not in self._index
        return isinstance(item, (list, np.ndarray))

    def decode(self, symbols: np.ndarray) -> Any:
        return self._table[symbols].tolist()

    def join(self, parts: list[Any]) -> Any:
        return [symbol for part in parts for symbol in part]

    def config(self) -> dict[str, Any]:
        for symbol in self.vocabulary:
            if not isinstance(symbol, (str, int, float, bool)):
                raise SeqgenError(
                    f"cannot save the symbol {symbol!r}: only strings, numbers and booleans fit in a "
                    "checkpoint; fit the model on such symbols"
                )
        return {"name": self.name, "vocabulary": self.vocabulary}


class Words(Symbols):
    """Text as words that are joined by single spaces; a text prompt is split at white space."""

    name = "words"
    unit = "words"

    def encode(self, data: Any) -> np.ndarray:
        return super().encode(data.split() if isinstance(data, str) else data)

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """A list is a list of texts."""
        return Codec.encode_batch(self, data)

    def decode(self, symbols: np.ndarray) -> str:
        return " ".join(self._table[symbols].tolist())

    def decoder(self) -> Decoder:
        return _WordDecoder(self)

    def join(self, parts: list[Any]) -> str:
        return "".join(parts)


class _WordDecoder:
    """Puts a space before every block but a sample's first, so that chunks concatenate to the whole."""

    def __init__(self, codec: Words) -> None:
        self._codec = codec
        self._started = False

    def __call__(self, symbols: np.ndarray, last: bool) -> str:
        if not len(symbols):
            return ""
        text = self._codec.decode(symbols)
        text, self._started = (" " + text if self._started else text), True
        return text

    def state(self) -> bool:
        return self._started

    def restore(self, state: bool) -> None:
        self._started = bool(state)


class Tokens(Symbols):
    """Text as tokens that put together are the text again, white space and all.

    A token is a word or a run of punctuation with one character of white space before it, if there is any; what
    is left of white space stands alone. The first word of a prompt may be one that the model only knows after
    white space.

    Example:
        >>> Tokens.split("O, Romeo!\\nAy me, 'tis so.")
        ['O', ',', ' Romeo', '!', '\\nAy', ' me', ',', " 'tis", ' so', '.']
    """

    name = "tokens"
    unit = "tokens"
    pattern = re.compile(r"\s?['’]?\w+(?:['’-]\w+)*|\s?[^\w\s]+|\s")

    @classmethod
    def split(cls, text: str) -> list[str]:
        """The tokens of a text."""
        return cls.pattern.findall(text)

    def encode(self, data: Any) -> np.ndarray:
        if not isinstance(data, str):
            return super().encode(data)
        tokens = self.split(data)
        if tokens and tokens[0] not in self._index:
            tokens[0] = next((s for s in (" " + tokens[0], "\n" + tokens[0]) if s in self._index), tokens[0])
        if tokens and tokens[-1].isspace() and tokens[-1] not in self._index:
            raise ValueError(
                f"the model does not know a text that ends in {tokens[-1]!r}: white space belongs to the word "
                "after it; leave it away"
            )
        return super().encode(tokens)

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """A list is a list of texts."""
        return Codec.encode_batch(self, data)

    def decode(self, symbols: np.ndarray) -> str:
        return "".join(self._table[symbols].tolist())

    def join(self, parts: list[Any]) -> str:
        return "".join(parts)


class Integers(Codec):
    """The integers 0 to size - 1 as they are: (T,) int64 arrays."""

    name = "integers"

    def __init__(self, size: int) -> None:
        self.size = integer("size", size, low=1)

    def encode(self, data: Any) -> np.ndarray:
        return self._symbols(data)

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """One sequence, a list of sequences, or a (B, T) array."""
        if isinstance(data, list) and data and np.ndim(data[0]) == 0:
            return [self.encode(data)]
        return super().encode_batch(data)

    def join(self, parts: list[Any]) -> np.ndarray:
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "size": self.size}


class Strokes(Codec):
    """Pen movements of unit length: symbol s is the direction 2 pi s / angles, counted from right over up.

    Data are displacements (n, 2) float32, x to the right and y upwards; their cumulative sum is the pen's path.

    Example:
        >>> Strokes(4).decode(np.array([1])).round(6).tolist()
        [[0.0, 1.0]]
    """

    name = "strokes"
    unit = "segments"

    def __init__(self, angles: int = 16) -> None:
        self.size = integer("angles", angles, low=2)
        turn = 2.0 * np.pi * np.arange(self.size) / self.size
        self._table = np.stack([np.cos(turn), np.sin(turn)], -1).astype(np.float32)

    def encode(self, data: Any) -> np.ndarray:
        """Symbols (n,), or displacements (n, 2) floats of any length, which take the nearest direction."""
        array = np.asarray(data)
        if array.dtype.kind != "f":
            return self._symbols(array)
        if array.ndim != 2 or array.shape[1] != 2:
            raise ValueError(f"displacements must have the shape (n, 2), got {array.shape}")
        if not np.all(np.isfinite(array)) or np.any(np.all(array == 0, -1)):
            bad = int(np.flatnonzero(~np.isfinite(array).all(-1) | np.all(array == 0, -1))[0])
            raise ValueError(f"displacements must be finite and not zero, got {array[bad].tolist()} at {bad}")
        turn = np.arctan2(array[:, 1], array[:, 0]) / (2.0 * np.pi)
        return np.rint(turn * self.size).astype(np.int64) % self.size

    def decode(self, symbols: np.ndarray) -> np.ndarray:
        return self._table[symbols]

    def join(self, parts: list[Any]) -> np.ndarray:
        return np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "angles": self.size}


class Vectors(Codec):
    """Numeric observations as they are: (T,) or (T, D) arrays."""

    name = "vectors"
    unit = "vectors"

    def __init__(self, dimensions: int = 0, dtype: str = "float64") -> None:
        self.dimensions = integer("dimensions", dimensions, low=0)
        self.dtype = dtype

    def encode(self, data: Any) -> np.ndarray:
        given = np.asarray(data)
        if np.dtype(self.dtype).kind in "iu" and given.dtype.kind == "f":
            whole = given == np.floor(np.where(np.isfinite(given), given, 0.5))
            if not whole.all():
                raise ValueError(f"observations must be whole numbers, got {given[~whole].flat[0]}")
        array = np.ascontiguousarray(given, dtype=self.dtype)
        wanted = 2 if self.dimensions else 1
        if array.ndim != wanted or (self.dimensions and array.shape[1] != self.dimensions):
            shape = f"(T, {self.dimensions})" if self.dimensions else "(T,)"
            raise ValueError(f"observations must have the shape {shape}, got {array.shape}")
        return array

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        if not isinstance(data, list):
            array = np.asarray(data)
            if array.ndim == (3 if self.dimensions else 2):
                return [self.encode(row) for row in array]
            return [self.encode(array)]
        if data and np.ndim(data[0]) == (2 if self.dimensions else 1):
            return [self.encode(row) for row in data]
        return [self.encode(data)]

    def join(self, parts: list[Any]) -> np.ndarray:
        if parts:
            return np.concatenate(parts)
        return np.zeros((0, self.dimensions) if self.dimensions else (0,), self.dtype)

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "dimensions": self.dimensions, "dtype": self.dtype}


_CODECS: dict[str, type[Codec]] = {
    c.name: c for c in (Characters, Bytes, Symbols, Words, Tokens, Integers, Strokes, Vectors)
}


def codec_from_config(config: dict[str, Any]) -> Codec:
    """The codec that `config` describes (the inverse of `Codec.config`)."""
    arguments = {key: value for key, value in config.items() if key != "name"}
    name = config.get("name")
    if name not in _CODECS:
        raise SeqgenError(f"unknown codec {name!r}; this version knows {', '.join(_CODECS)}")
    return _CODECS[name](**arguments)
