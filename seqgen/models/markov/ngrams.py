"""N-gram counts: counted from a stream of sequences, and stored as compact arrays in a checkpoint.

Legend: V vocabulary, N = order + 1 symbols in an n-gram, M distinct n-grams. In the rows, V is the end of a sequence
(only as the last symbol) and V + 1 is the padding before its first symbol.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

_BLOCK = 1 << 18
_FEWEST_SLOTS = 1 << 12
_FULLEST = 0.65


@dataclass(frozen=True, eq=False)
class NGrams:
    """Distinct n-grams in lexicographic order with their counts.

    Attributes:
        rows: (M, N) unsigned symbols. counts: (M,) unsigned.
        symbols: size V of the vocabulary.
        ends: whether the end of a sequence was counted as a symbol.
    """

    rows: np.ndarray
    counts: np.ndarray
    symbols: int
    ends: bool

    @property
    def begin(self) -> int:
        """The padding symbol before the first symbol in the rows."""
        return self.symbols + 1

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the rows as a prefix tree, one symbol and one number of children per node, in the smallest dtypes."""
        size = self.rows.shape[1]
        fresh = np.zeros(len(self.rows), bool)
        fresh[:1] = True
        arrays = {"counts": _least(self.counts)}
        above = np.zeros(0, np.int64)
        for depth in range(size):
            fresh[1:] |= self.rows[1:, depth] != self.rows[:-1, depth]
            nodes = np.flatnonzero(fresh)
            arrays[f"symbols.{depth}"] = _least(self.rows[nodes, depth])
            if depth:
                first_child = np.append(np.searchsorted(nodes, above), len(nodes))
                arrays[f"children.{depth - 1}"] = _least(np.diff(first_child))
            above = nodes
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], size: int, symbols: int, ends: bool) -> NGrams:
        """Create from the result of `arrays`, for rows of `size` symbols.

        Raises:
            ValueError: if the arrays are inconsistent.
        """
        columns: list[np.ndarray] = []
        for depth in range(size):
            if depth:
                children = arrays[f"children.{depth - 1}"]
                columns = [np.repeat(column, children) for column in columns]
            columns.append(arrays[f"symbols.{depth}"])
        rows = np.stack(columns, 1)
        counts = arrays["counts"]
        if len(counts) != len(rows) or not len(rows) or int(rows.max()) > symbols + 1:
            raise ValueError(
                f"{len(counts)} counts and {len(rows)} n-grams over {symbols} symbols do not fit"
            )
        return cls(rows, counts, symbols, ends)


class NGramCounter:
    """Counts the n-grams of sequences incrementally; stores the distinct n-grams, not the text.

    Args:
        size: symbols per n-gram, at least 2.
        progress: called occasionally with the numbers of sequences and symbols counted so far.
    """

    def __init__(self, size: int, progress: Callable[[int, int], None] | None = None) -> None:
        self._size = size
        self._progress = progress
        self._ids = _Ids()
        self._buffer = array("i")
        self._context = np.zeros(size - 1, np.int32)
        self._rows = np.zeros((_FEWEST_SLOTS, size), np.int32)
        self._counts = np.zeros(_FEWEST_SLOTS, np.int64)
        self._used = 0
        self.sequences = 0
        self.total = 0
        self.longest = 0

    @property
    def vocabulary(self) -> list[Hashable]:
        """The symbols in order of first occurrence."""
        return list(self._ids)

    def add(self, sequence: Iterable[Hashable]) -> None:
        """Count one sequence; an empty one is ignored."""
        ids = map(self._ids.__getitem__, sequence)
        length = 0
        while True:
            before = len(self._buffer)
            self._buffer.extend(islice(ids, _BLOCK))
            read = len(self._buffer) - before
            length += read
            if read < _BLOCK:
                break
            self._flush()
        if length:
            self._buffer.append(-1)
            self.sequences += 1
            self.total += length
            self.longest = max(self.longest, length)
        if len(self._buffer) >= _BLOCK:
            self._flush()

    def finish(self, ends: bool) -> NGrams:
        """Return the counts so far, with or without the ends of the sequences."""
        from seqgen.models.markov.numba_counting import BEGIN, END, FIRST_SYMBOL

        self._flush()
        taken = self._counts > 0
        if not ends:
            taken &= self._rows[:, -1] != END
        rows, counts = self._rows[taken], self._counts[taken]
        symbols = len(self._ids)
        begins, ended = rows == BEGIN, rows == END
        rows -= FIRST_SYMBOL
        rows[ended] = symbols
        rows[begins] = symbols + 1
        order = np.argsort(lexicographic_keys(list(rows.T), symbols + 2))
        return NGrams(_least(rows[order]), _least(counts[order]), symbols, ends)

    def _flush(self) -> None:
        from seqgen.models.markov.numba_counting import count, move

        ids = np.frombuffer(self._buffer, np.int32) if self._buffer else np.zeros(0, np.int32)
        position = 0
        while position < len(ids):
            limit = int(_FULLEST * len(self._counts))
            position, self._used = count(
                ids, position, self._context, self._rows, self._counts, self._used, limit
            )
            if position < len(ids):
                slots = 2 * len(self._counts)
                rows, counts = np.zeros((slots, self._size), np.int32), np.zeros(slots, np.int64)
                move(self._rows, self._counts, rows, counts)
                self._rows, self._counts = rows, counts
        self._buffer = array("i")
        if self._progress is not None:
            self._progress(self.sequences, self.total)


class _Ids(dict[Any, int]):
    """A mapping from symbols to consecutive integers, which assigns the next integer to an unknown symbol."""

    def __missing__(self, symbol: Any) -> int:
        # 0 and 1 are the padding and the end (`numba_counting`)
        number = self[symbol] = len(self) + 2
        return number


def lexicographic_keys(columns: list[np.ndarray], base: int) -> np.ndarray:
    """Return distinct keys (n,) uint64 in lexicographic order of the rows of `columns`, whose values are < `base`."""
    keys = columns[0].astype(np.uint64)
    span = base
    for column in columns[1:]:
        if span * base >= 2**64:
            distinct, ranks = np.unique(keys, return_inverse=True)
            keys, span = ranks.astype(np.uint64), len(distinct)
        keys *= np.uint64(base)
        keys += column.astype(np.uint64)
        span *= base
    return keys


def _least(values: np.ndarray) -> np.ndarray:
    """Convert values to the smallest unsigned dtype that can represent them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
