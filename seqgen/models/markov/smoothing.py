"""How a context's probability mass is shared between what followed it and the next shorter context.

None is maximum likelihood: a context that was seen keeps all its mass. "kneser-ney" is the interpolated
estimator with one absolute discount for each length (Kneser and Ney 1995; Chen and Goodman 1999, section 4.1):

    p(w | s) = (a(s w) - D) / a(s) + D n(s) / a(s) p(w | parent of s)

a(g) counts g where g is of the full length or begins a sequence, and else the different symbols before g; a(s)
is its sum over the n(s) symbols that followed s. Below the single symbols stands the uniform distribution.
"""

from __future__ import annotations

import numpy as np

SMOOTHINGS = ("kneser-ney",)


def discount(counts: np.ndarray) -> float:
    """Ney's estimate n1 / (n1 + 2 n2) from the numbers of counts 1 and 2.

    It is 1/2 where either number is zero: 0 would leave nothing to unseen symbols, 1 nothing to symbols that
    were seen once.
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else 0.5
