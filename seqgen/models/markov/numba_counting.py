"""Counting of n-grams in an open-addressing hash table whose rows are the n-grams themselves, as int32 symbols.

Only rows and counts are stored, so memory is (4 N + 8) bytes per slot for N-grams. Collisions are resolved by linear
probing; a slot whose count is 0 is free.
Legend: C slots (a power of two), N symbols in a row.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.kernels.compile import inline, kernel

BEGIN, END, FIRST_SYMBOL = 0, 1, 2
END_OF_SEQUENCE = -1

_MIX = np.uint64(0x9E3779B97F4A7C15)
_S29 = np.uint64(29)


@kernel
def count(ids, position, context, rows, counts, used, limit):
    """Count the n-grams of a run of symbols.

    Args:
        ids: (T,) int32 symbols from FIRST_SYMBOL on, END_OF_SEQUENCE after every sequence.
        position: first position in `ids`.
        context: (N - 1,) int32, the symbols before `position` in the same sequence, BEGIN before its first.
        rows: (C, N) int32. counts: (C,) int64. used: slots in use.
        limit: stop when this many slots are in use.

    Returns:
        (the position after the last counted symbol, slots in use); the position is T unless the limit was reached.
    """
    size = rows.shape[1]
    row = np.empty(size, np.int32)
    for t in range(position, len(ids)):
        if used >= limit:
            return t, used
        for k in range(size - 1):
            row[k] = context[k]
        ended = ids[t] == END_OF_SEQUENCE
        row[size - 1] = END if ended else ids[t]
        used += _add(row, 1, rows, counts)
        for k in range(size - 1):
            context[k] = BEGIN if ended else row[k + 1]
    return len(ids), used


@kernel
def move(old_rows, old_counts, rows, counts):
    """Fill an empty, larger table from an old one."""
    for slot in range(len(old_counts)):
        if old_counts[slot] > 0:
            _add(old_rows[slot], old_counts[slot], rows, counts)


@inline
def _add(row, times, rows, counts):
    """Add `times` to the count of a row; return 1 if the row is new."""
    mixed = np.uint64(0)
    for k in range(len(row)):
        mixed = (mixed ^ np.uint64(row[k])) * _MIX
        mixed ^= mixed >> _S29
    mask = np.uint64(len(counts) - 1)
    slot = mixed & mask
    while counts[slot] > 0:
        same = True
        for k in range(len(row)):
            same = same and rows[slot, k] == row[k]
        if same:
            counts[slot] += times
            return 0
        slot = (slot + np.uint64(1)) & mask
    for k in range(len(row)):
        rows[slot, k] = row[k]
    counts[slot] = times
    return 1
