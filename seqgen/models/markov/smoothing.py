"""Smoothing: the division of a context's probability mass between its successors and the next shorter context.

None is maximum likelihood: an observed context keeps all its mass. "kneser-ney" is the interpolated estimator with one
absolute discount per order (Kneser and Ney 1995; Chen and Goodman 1999, section 4.1):

    p(w | s) = (a(s w) - D) / a(s) + D n(s) / a(s) p(w | parent of s)

a(g) is the count of g if g has full length or starts a sequence, and else the number of distinct symbols before g; a(s)
is its sum over the n(s) distinct successors of s. Single symbols back off to the uniform distribution.
"""

from __future__ import annotations

import numpy as np

SMOOTHINGS = ("kneser-ney",)


def discount(counts: np.ndarray) -> float:
    """Return Ney's estimate n1 / (n1 + 2 n2), from the numbers n1 and n2 of counts 1 and 2.

    It is 1/2 if either number is zero: a discount of 0 would leave no mass for unseen symbols, and 1 none for symbols
    seen once.
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else 0.5
