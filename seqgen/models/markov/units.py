"""Splitting of sequences into symbols: characters, words or tokens of a string, or the items of an iterable."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np

from seqgen.codecs import Tokens

UNITS = ("characters", "words", "tokens", "symbols")
_LONG = 1 << 20
_WORD = re.compile(r"\S+")


class Units:
    """Splits sequences into symbols; "auto" is determined by the first sequence.

    Attributes:
        unit: the unit, "auto" until it is determined.
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit

    def sequences(self, sequences: Iterable[Any]) -> Iterator[Iterable[Hashable]]:
        """Yield the symbols of each sequence.

        Raises:
            TypeError: if an item is not a sequence of the unit, or has an unhashable symbol.
        """
        if isinstance(sequences, (str, bytes)):
            raise TypeError("sequences must be an iterable of sequences, got one text; write fit([text])")
        try:
            iterator = iter(sequences)
        except TypeError:
            raise TypeError(f"sequences must be an iterable of sequences, got {sequences!r}") from None
        for number, sequence in enumerate(iterator):
            text = isinstance(sequence, str)
            if self.unit == "auto":
                self.unit = "characters" if text else "symbols"
            if not text and not isinstance(sequence, Iterable):
                raise TypeError(f"sequences[{number}] must be a string or an iterable, got {sequence!r}")
            if text and self.unit == "symbols":
                raise TypeError(
                    f"sequences[{number}] must be an iterable of symbols, got the string {sequence[:40]!r}; "
                    "unit='characters', 'words' or 'tokens' splits strings"
                )
            yield self._split(sequence) if text else _hashable(number, sequence)

    def _split(self, text: str) -> Iterable[str]:
        if self.unit == "characters":
            return text
        if len(text) < _LONG:
            return text.split() if self.unit == "words" else Tokens.split(text)
        # split lazily: a list of all words of a very long text would take ten times its memory
        pattern = _WORD if self.unit == "words" else Tokens.pattern
        return (match.group() for match in pattern.finditer(text))

    def checked(self, vocabulary: list[Hashable]) -> list[Hashable]:
        """Return the vocabulary after checking its symbols against the unit.

        Raises:
            TypeError: if the unit is a text unit and a symbol is not a string.
        """
        if self.unit != "symbols":
            for symbol in vocabulary:
                if not isinstance(symbol, str):
                    raise TypeError(f"the symbols of unit={self.unit!r} must be strings, got {symbol!r}")
        return vocabulary


def _hashable(number: int, sequence: Iterable[Any]) -> Iterator[Hashable]:
    items = sequence.tolist() if isinstance(sequence, np.ndarray) else sequence
    for item in items:
        try:
            hash(item)
        except TypeError:
            raise TypeError(f"sequences[{number}] must hold hashable symbols, got {item!r}") from None
        yield item
