"""N-grams of every length from the longest ones, with what smoothing needs to know of each.

An n-gram at the beginning of a sequence is padded in the rows of `NGrams`; here it starts with one `begin`.
Legend: m-grams for m = 1 .. N, n of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.models.ngrams import NGrams, lexicographic_keys


class Level(NamedTuple):
    """All m-grams in lexicographic order.

    Attributes:
        columns: (m, n) int32 symbols.
        counts: (n,) int64, how often they occurred.
        neighbours: (n,) int64, how many different symbols (or the beginning) stood before them.
        suffix: (n,) int32, the row of the same without its first symbol in the level below.
    """

    columns: np.ndarray
    counts: np.ndarray
    neighbours: np.ndarray
    suffix: np.ndarray


def levels(ngrams: NGrams) -> list[Level]:
    """The levels m = 1 .. N.

    Counts that Kneser-Ney takes as they are stand in `neighbours` too: those of the longest n-grams, and of
    n-grams that begin a sequence, which nothing can stand before.
    """
    size = ngrams.rows.shape[1]
    all_columns = np.ascontiguousarray(ngrams.rows.T, np.int32)
    padding = (all_columns == ngrams.begin).sum(0)
    top = padding <= 1
    columns, counts = all_columns[:, top], ngrams.counts[top].astype(np.int64)
    neighbours = counts
    made: list[Level] = []
    for m in range(size, 1, -1):
        begun = padding == size - m + 2
        shorter = np.concatenate([columns[1:], all_columns[size - m + 1 :, begun]], 1)
        shorter_counts = np.concatenate([counts, ngrams.counts[begun].astype(np.int64)])
        keys = lexicographic_keys(list(shorter), ngrams.symbols + 2)
        order = np.argsort(keys)
        keys = keys[order]
        fresh = np.concatenate([[True], keys[1:] != keys[:-1]])
        del keys
        row = np.empty(len(order), np.int32)
        row[order] = np.cumsum(fresh, dtype=np.int32) - 1
        made.append(_level(ngrams, columns, counts, neighbours, row[: len(counts)]))
        starts = np.flatnonzero(fresh)
        columns = shorter[:, order[starts]]
        counts = np.add.reduceat(shorter_counts[order], starts)
        neighbours = np.diff(np.append(starts, len(order)))
        neighbours = np.where(columns[0] == ngrams.begin, counts, neighbours)
    made.append(_level(ngrams, columns, counts, neighbours, np.zeros(len(counts), np.int32)))
    return made[::-1]


def _level(ngrams: NGrams, columns: np.ndarray, *arrays: np.ndarray) -> Level:
    """Without ends there is no beginning to condition on: n-grams that begin a sequence, which come last, have
    counted as left neighbours and are dropped."""
    n = columns.shape[1] if ngrams.ends else int(np.searchsorted(columns[0], ngrams.begin))
    return Level(np.ascontiguousarray(columns[:, :n]), *(array[:n] for array in arrays))
