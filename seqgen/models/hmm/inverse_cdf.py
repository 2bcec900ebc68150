"""Inverse-CDF tables: a draw is the first symbol whose cumulative probability exceeds the uniform.

`cumulative` is the definition. `GuideTable` computes the same draw from the 32-bit word of the uniform in a few
operations, with integer thresholds and a guide table of starting positions (Chen and Asau, "On generating random
variates from an empirical distribution", AIIE Transactions 6, 1974).
Legend: R rows.
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
    """Return cumulative sums (..., V) of non-negative weights, divided by their total.

    The draw for a uniform u is the number of entries <= u. Because the entry of the last symbol with a positive weight
    is exactly 1, a symbol with weight zero is never drawn.
    """
    sums = np.cumsum(np.asarray(probabilities, np.float64), axis=-1)
    return sums / sums[..., -1:]


def poisson_rows(rates: Sequence[float]) -> tuple[list[int], list[np.ndarray]]:
    """Return the first counts and the probabilities of several rates (see `poisson_row`).

    Raises:
        SeqgenError: if a rate is above `LARGEST_RATE`, or the tables would take too much memory in total.
    """
    if sum(16.0 * math.sqrt(min(rate, LARGEST_RATE)) + 81.0 for rate in rates) > _MOST_WEIGHTS:
        raise SeqgenError(
            f"{len(rates)} Poisson rates, the largest of which is {max(rates):g}, cannot be drawn: their tables would "
            "take too much memory; a Gaussian emission is close to them"
        )
    firsts, weights = zip(*map(poisson_row, rates), strict=True)
    return list(firsts), list(weights)


def poisson_row(rate: float) -> tuple[int, np.ndarray]:
    """Return the first count and the probabilities from it on, for a Poisson distribution.

    The table is truncated to a window around the mean; the probability outside is below 1e-15, far less than the 2^-33
    that a 32-bit uniform resolves. Probabilities are computed from ratios of neighbours, starting at the mode, with a
    relative error of about 1e-12 at the largest rate.

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
    """Inverse-CDF tables for draws from 32-bit words.

    Attributes:
        thresholds: (N,) uint32, the concatenated rows: a symbol is skipped while its threshold is below the word.
        guide: (R << bits,) uint32, for each row and each value of a word's first `bits` bits the starting position in
            `thresholds`.
        offset: (R,) int64, added to a position in `thresholds` to get the symbol.
        bits: number of leading bits of a word that index the guide.
    """

    thresholds: np.ndarray
    guide: np.ndarray
    offset: np.ndarray
    bits: int


def guide_table(rows: Sequence[np.ndarray] | np.ndarray, first: Sequence[int] | None = None) -> GuideTable:
    """Build the guide tables.

    Args:
        rows: R arrays of non-negative weights.
        first: the symbol of the first weight of each row; None is 0.
    """
    longest = max(len(row) for row in rows)
    bits = min(max(4, math.ceil(math.log2(16 * longest))), 16)
    while len(rows) << bits > _LARGEST_GUIDE and bits > 4:
        bits -= 1
    begins = np.arange(1 << bits) << (32 - bits)
    thresholds, guides, offset, place = [], [], [], 0
    for r, row in enumerate(rows):
        # cdf <= (word + 1/2) / 2^32 if and only if passed <= word: both steps are exact in float64
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
