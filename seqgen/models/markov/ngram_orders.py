"""N-grams of every length from the longest ones, with what smoothing needs to know of each.

An n-gram at the beginning of a sequence is padded in the rows of `NGrams`; here it starts with one `begin`.
Legend: m-grams for m = 1 .. N, n of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.models.markov.ngrams import NGrams, lexicographic_keys


class Order(NamedTuple):
    """All m-grams, those of order m, sorted lexicographically.

    Attributes:
        columns: (m, n) int32 symbols.
        counts: (n,) int64, how often they occurred, or how many different symbols stood before them.
        suffix: (n,) int32, the row of the same without its first symbol among those of the order below.
    """

    columns: np.ndarray
    counts: np.ndarray
    suffix: np.ndarray


def orders(ngrams: NGrams, *, neighbours: bool) -> list[Order]:
    """The orders m = 1 .. N.

    With `neighbours` the shorter n-grams are counted by the different symbols before them, where the beginning of
    a sequence is a symbol like another; n-grams that begin a sequence, which nothing can stand before, keep
    their counts, as do the longest ones.
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
    """Without ends there is no beginning to condition on: n-grams that begin a sequence, which come last, have
    counted as left neighbours and are dropped."""
    n = columns.shape[1] if ngrams.ends else int(np.searchsorted(columns[0], ngrams.begin))
    return Order(np.ascontiguousarray(columns[:, :n]), counts[:n], suffix[:n].copy())
