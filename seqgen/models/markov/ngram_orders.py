"""N-grams of every order, derived from the longest ones, with the counts that smoothing needs.

An n-gram at the start of a sequence is padded in the rows of `NGrams`; here it starts with a single `begin`. Legend:
m-grams for m = 1 .. N, n of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.models.markov.ngrams import NGrams, lexicographic_keys


class Order(NamedTuple):
    """All m-grams, those of order m, sorted lexicographically.

    Attributes:
        columns: (m, n) int32 symbols.
        counts: (n,) int64, the number of occurrences, or of distinct preceding symbols.
        suffix: (n,) int32, the row of the m-gram without its first symbol in the next lower order.
    """

    columns: np.ndarray
    counts: np.ndarray
    suffix: np.ndarray


def orders(ngrams: NGrams, *, neighbours: bool) -> list[Order]:
    """Return the orders m = 1 .. N.

    With `neighbours`, the count of a shorter n-gram is the number of distinct preceding symbols, including the start of
    a sequence; n-grams at the start of a sequence, which have no preceding symbol, keep their counts, as do the longest
    ones.
    """
    size = ngrams.rows.shape[1]
    rows = np.ascontiguousarray(ngrams.rows.T, np.int32)
    padding = (rows == ngrams.begin).sum(0, dtype=np.uint8)
    top = padding <= 1
    columns, counts = rows[:, top], ngrams.counts[top].astype(np.int64)
    made: list[Order] = []
    for m in range(size - 1, 0, -1):
        begun = padding == size - m + 1
        shorter = np.concatenate([columns[1:], rows[size - m :, begun]], 1)
        weights = np.ones_like(counts) if neighbours else counts
        weights = np.concatenate([weights, ngrams.counts[begun].astype(np.int64)])
        keys = lexicographic_keys(list(shorter), ngrams.symbols + 2)
        order = np.argsort(keys)
        keys = keys[order]
        fresh = np.concatenate([[True], keys[1:] != keys[:-1]])
        del keys
        row = np.empty(len(order), np.int32)
        row[order] = np.cumsum(fresh, dtype=np.int32) - 1
        made.append(_order(ngrams, columns, counts, row[: len(counts)]))
        starts = np.flatnonzero(fresh)
        columns = shorter[:, order[starts]]
        counts = np.add.reduceat(weights[order], starts)
    made.append(_order(ngrams, columns, counts, np.zeros(len(counts), np.int32)))
    return made[::-1]


def _order(ngrams: NGrams, columns: np.ndarray, counts: np.ndarray, suffix: np.ndarray) -> Order:
    """Create an order; without ends, drop n-grams at the start of a sequence, which count only as left neighbours."""
    n = columns.shape[1] if ngrams.ends else int(np.searchsorted(columns[0], ngrams.begin))
    return Order(np.ascontiguousarray(columns[:, :n]), counts[:n], suffix[:n].copy())
