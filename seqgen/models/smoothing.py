"""How a context's probability mass is shared between what followed it and the next shorter context.

None is maximum likelihood: a context that was seen keeps all its mass. "kneser-ney" is the interpolated
estimator with one absolute discount for each length (Kneser and Ney 1995; Chen and Goodman 1999, section 4.1):

    p(w | s) = (a(s w) - D) / a(s) + D n(s) / a(s) p(w | parent of s)

a(g) counts g where g is of the full length or begins a sequence, and else the different symbols before g; a(s)
is its sum over the n(s) symbols that followed s. Below the single symbols stands the uniform distribution.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SMOOTHINGS = ("kneser-ney",)


class Shares(NamedTuple):
    """The mass of the contexts of one length; n m-grams that are successors of c contexts.

    Attributes:
        own: (n,) float64, the mass that a context itself gives to a successor.
        cumulative: (n,) float64, its running sum within the context.
        backoff: (c,) float64, the mass that is left to the shorter context; 0 or more, and below 1.
    """

    own: np.ndarray
    cumulative: np.ndarray
    backoff: np.ndarray


def discount(counts: np.ndarray) -> float:
    """Ney's estimate n1 / (n1 + 2 n2) from the numbers of counts 1 and 2.

    It is 1/2 where either number is zero: 0 would leave nothing to unseen symbols, 1 nothing to symbols that
    were seen once.
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else 0.5


def shares(counts: np.ndarray, starts: np.ndarray, discounted: float) -> Shares:
    """Share out the mass of every context.

    Args:
        counts: (n,) int64 of the successors, context by context.
        starts: (c,) where each context's successors begin.
        discounted: what is taken from every count, 0 to below 1.
    """
    ends = np.append(starts[1:], len(counts))
    sizes = ends - starts
    context = np.repeat(np.arange(len(starts)), sizes)
    totals = np.add.reduceat(counts, starts)
    total = totals[context]
    # within a context the running count is an exact integer, so every threshold is rounded only once
    running = np.cumsum(counts)
    running -= (running[starts] - counts[starts])[context]
    rank = np.arange(1, len(counts) + 1) - starts[context]
    cumulative = (running - discounted * rank) / total
    if discounted == 0.0:
        cumulative[ends - 1] = 1.0
    return Shares((counts - discounted) / total, cumulative, discounted * sizes / totals)
