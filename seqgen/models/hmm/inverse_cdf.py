"""Inverse-CDF tables: a draw is the first symbol whose cumulative probability exceeds the uniform.

`cumulative` is the definition. `GuideTable` gives the same draw from the 32-bit word behind the uniform, in a few
operations: cumulative sums as integer thresholds, and an index of where to begin looking (Chen and Asau, "On
generating random variates from an empirical distribution", AIIE Transactions 6, 1974). Legend: R rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqgen.errors import SeqgenError

LARGEST_RATE = 1e6
_WORDS = 2**32
_LARGEST_GUIDE = 2**21
_MOST_WEIGHTS = 2**22


def cumulative(probabilities: np.ndarray) -> np.ndarray:
    """Cumulative sums (..., V) of non-negative weights, divided by their total.

    The draw for a uniform u is the number of entries that are <= u. Since the entry of the last symbol that has
    a positive weight is exactly 1, a symbol of weight zero is never drawn.
    """
    sums = np.cumsum(np.asarray(probabilities, np.float64), axis=-1)
    return sums / sums[..., -1:]


def poisson_rows(rates: Sequence[float]) -> tuple[list[int], list[np.ndarray]]:
    """`poisson_row` of several rates: their first counts, and their probabilities.

    Raises:
        SeqgenError: if a rate is above `LARGEST_RATE`, or all tables together would take too much memory.
    """
    if sum(16.0 * math.sqrt(min(rate, LARGEST_RATE)) + 81.0 for rate in rates) > _MOST_WEIGHTS:
        raise SeqgenError(
            f"{len(rates)} Poisson rates, the largest of which is {max(rates):g}, cannot be drawn: their tables would "
            "take too much memory; a Gaussian emission is close to them"
        )
    firsts, weights = zip(*map(poisson_row, rates), strict=True)
    return list(firsts), list(weights)


def poisson_row(rate: float) -> tuple[int, np.ndarray]:
    """The first count and the probabilities of those that follow it, for a Poisson distribution.

    Only a window around the mean is kept, outside of which there is less than 1e-15 of the mass, far below the
    2^-33 that a 32-bit uniform can resolve. Probabilities come from the ratio of neighbours, beginning at the
    mode, which leaves a relative error of about 1e-12 at the largest rate.

    Raises:
        SeqgenError: if the rate is above `LARGEST_RATE`.
    """
    if rate > LARGEST_RATE:
        raise SeqgenError(
            f"counts with a Poisson rate of {rate:g} cannot be drawn, the largest is {LARGEST_RATE:g}; "
            "a Gaussian emission is close to it"
        )
    spread = 8.0 * math.sqrt(rate) + 40.0
    first, mode, last = max(0, math.floor(rate - spread)), math.floor(rate), math.ceil(rate + spread)
    above = np.cumprod(rate / np.arange(mode + 1, last + 1))
    below = np.cumprod(np.arange(mode, first, -1) / rate) if mode > first else np.zeros(0)
    weights = np.concatenate([below[::-1], [1.0], above])
    return first, weights / weights.sum()


class GuideTable(NamedTuple):
    """Rows of an inverse CDF for draws from 32-bit words.

    Attributes:
        thresholds: (N,) uint32, all rows one after another: symbol k is passed over while the threshold is
            below the word.
        guide: (R << bits,) uint32, for each row and each value of a word's first `bits` bits the place in
            `thresholds` to begin at.
        offset: (R,) int64, what to add to a place in `thresholds` to get the symbol.
        bits: of a word that index the guide.
    """

    thresholds: np.ndarray
    guide: np.ndarray
    offset: np.ndarray
    bits: int


def guide_table(rows: Sequence[np.ndarray] | np.ndarray, first: Sequence[int] | None = None) -> GuideTable:
    """Build the table.

    Args:
        rows: R arrays of non-negative weights.
        first: the symbol that the first weight of each row is for; None is 0.
    """
    longest = max(len(row) for row in rows)
    bits = min(max(4, math.ceil(math.log2(16 * longest))), 16)
    while len(rows) << bits > _LARGEST_GUIDE and bits > 4:
        bits -= 1
    begins = np.arange(1 << bits) << (32 - bits)
    thresholds, guides, offset, place = [], [], [], 0
    for r, row in enumerate(rows):
        # cdf <= (word + 1/2) / 2^32 exactly when passed <= word: both steps are exact in float64
        passed = np.ceil(cumulative(row) * _WORDS - 0.5).astype(np.int64)
        guides.append(place + np.searchsorted(passed, begins, side="right"))
        thresholds.append(np.maximum(passed - 1, 0))
        offset.append((0 if first is None else first[r]) - place)
        place += len(row)
    return GuideTable(
        np.concatenate(thresholds).astype(np.uint32),
        np.concatenate(guides).astype(np.uint32),
        np.array(offset, np.int64),
        bits,
    )
