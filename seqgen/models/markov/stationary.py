"""The stationary distribution of a Markov chain. Legend: V states."""

from __future__ import annotations

import numpy as np

from seqgen.errors import SeqgenError


def stationary(transition: np.ndarray) -> np.ndarray:
    """Return the distribution p (V,) with p = p T for a matrix T (V, V) whose rows sum to one.

    Raises:
        SeqgenError: if there are several, because the chain has several closed classes.

    Example:
        >>> stationary(np.array([[0.9, 0.1], [0.5, 0.5]])).round(4).tolist()
        [0.8333, 0.1667]
    """
    left, singular, _ = np.linalg.svd(transition - np.eye(len(transition)))
    if np.sum(singular < 1e-10) > 1:
        raise SeqgenError(
            "the chain has several stationary distributions, because it has several closed classes of states; "
            "give start"
        )
    kept = np.abs(left[:, -1])
    kept[kept < 1e-15] = 0.0
    return np.asarray(kept / kept.sum())
