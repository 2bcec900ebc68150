"""The distribution over states that a Markov chain keeps. Legend: V states."""

from __future__ import annotations

import numpy as np

from seqgen.errors import SeqgenError


def stationary(transition: np.ndarray) -> np.ndarray:
    """The (V,) distribution p with p = p T for a (V, V) matrix T whose rows sum to one.

    Raises:
        SeqgenError: if there are several, because the chain falls into parts that it cannot leave.

    Example:
        >>> stationary(np.array([[0.9, 0.1], [0.5, 0.5]])).round(4).tolist()
        [0.8333, 0.1667]
    """
    left, singular, _ = np.linalg.svd(transition - np.eye(len(transition)))
    if np.sum(singular < 1e-10) > 1:
        raise SeqgenError(
            "the chain has several stationary distributions, because it falls into parts that it cannot leave; "
            "give start"
        )
    kept = np.abs(left[:, -1])
    kept[kept < 1e-15] = 0.0
    return np.asarray(kept / kept.sum())
