"""Codecs over a vocabulary of hashable symbols, of words, or of tokens with their white space."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from seqgen.codecs.base import Codec, Decoder
from seqgen.errors import SeqgenError

_FEW = 16  # as many are looked up faster one by one


class Symbols(Codec):
    """Any hashable symbols; data are Python lists. Only strings, numbers and booleans can be saved.

    Example:
        >>> Symbols(["sun", "rain"]).encode(("rain", "sun")).tolist()
        [1, 0]
    """

    name = "symbols"
    vocabulary: list[Any]

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
        """Encode one sequence (a list of symbols), or several (a list of lists, tuples or arrays)."""
        if isinstance(data, list) and not all(self._is_sequence(item) for item in data):
            return [self.encode(data)]
        return super().encode_batch(data)

    def encode_symbol(self, symbol: Any) -> np.ndarray:
        return self.encode((symbol,))

    def _is_sequence(self, item: Any) -> bool:
        if isinstance(item, tuple):
            return item not in self._index
        return isinstance(item, (list, np.ndarray))

    def decode(self, symbols: np.ndarray) -> Any:
        return self._named(symbols)

    def _named(self, symbols: np.ndarray) -> list[Any]:
        if len(symbols) < _FEW:
            return [self.vocabulary[symbol] for symbol in symbols.tolist()]
        named: list[Any] = self._table[symbols].tolist()
        return named

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
    """Text as words joined by single spaces; input is split at white space."""

    name = "words"
    exact = False  # words of the vocabulary may contain white space
    medium = "text"
    unit = "words"
    separator = " "

    def __init__(self, vocabulary: Iterable[str]) -> None:
        super().__init__(_strings(vocabulary))

    def encode(self, data: Any) -> np.ndarray:
        return super().encode(data.split() if isinstance(data, str) else data)

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """Encode one text or a list of texts."""
        return Codec.encode_batch(self, data)

    def decode(self, symbols: np.ndarray) -> str:
        return self.separator.join(self._named(symbols))

    def decoder(self) -> Decoder:
        return _WordDecoder(self)

    def join(self, parts: list[Any]) -> str:
        return "".join(parts)


class _WordDecoder:
    """Insert a space before every block except a sample's first, so that chunks concatenate to the text."""

    def __init__(self, codec: Words) -> None:
        self._codec = codec
        self._started = False

    def __call__(self, symbols: np.ndarray, last: bool) -> str:
        if not len(symbols):
            return ""
        text = self._codec.decode(symbols)
        text, self._started = (self._codec.separator + text if self._started else text), True
        return text

    def state(self) -> bool:
        return self._started

    def restore(self, state: bool) -> None:
        if not isinstance(state, bool):
            raise ValueError(f"a decoder of words has the state True or False, got {state!r}")
        self._started = state


class Tokens(Symbols):
    """Text as tokens that concatenate to the text, including white space.

    A token is a word or a run of punctuation with the preceding white-space character, if any; each further white-space
    character is a token of its own. The first word of a prompt may be one that the vocabulary has only with preceding
    white space.

    Example:
        >>> Tokens.split("O, Romeo!\\nAy me, 'tis so.")
        ['O', ',', ' Romeo', '!', '\\nAy', ' me', ',', " 'tis", ' so', '.']
    """

    name = "tokens"
    medium = "text"
    exact = False  # two tokens may concatenate to another
    unit = "tokens"
    pattern = re.compile(r"\s?['’]?\w+(?:['’-]\w+)*|\s?[^\w\s]+|\s")

    def __init__(self, vocabulary: Iterable[str]) -> None:
        super().__init__(_strings(vocabulary))

    @classmethod
    def split(cls, text: str) -> list[str]:
        """Split a text into tokens."""
        return cls.pattern.findall(text)

    def encode(self, data: Any) -> np.ndarray:
        if not isinstance(data, str):
            return super().encode(data)
        tokens = self.split(data)
        if tokens and tokens[0] not in self._index:
            tokens[0] = next((s for s in (" " + tokens[0], "\n" + tokens[0]) if s in self._index), tokens[0])
        if tokens and tokens[-1].isspace() and tokens[-1] not in self._index:
            raise ValueError(
                f"the text ends in the white space {tokens[-1]!r}, which is not in the vocabulary because white space "
                "belongs to the next word; remove it"
            )
        return super().encode(tokens)

    def encode_batch(self, data: Any) -> list[np.ndarray]:
        """Encode one text or a list of texts."""
        return Codec.encode_batch(self, data)

    def decode(self, symbols: np.ndarray) -> str:
        return "".join(self._named(symbols))

    def join(self, parts: list[Any]) -> str:
        return "".join(parts)


def _strings(vocabulary: Iterable[str]) -> list[str]:
    words = list(vocabulary)
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"vocabulary must hold strings, got {word!r}")
    return words
