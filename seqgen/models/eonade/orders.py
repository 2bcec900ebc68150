"""Drawing orders of the dimensions of an image: permutations of their numbers in raster order."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.arrays import as_array


def checked_order(order: Any, dimensions: int) -> np.ndarray:
    """Return one order as (D,) int64; None is raster order.

    Raises:
        TypeError, ValueError: if `order` is not a permutation of 0 to D - 1.

    Example:
        >>> checked_order((2, 0, 1), 3).tolist()
        [2, 0, 1]
    """
    if order is None:
        return np.arange(dimensions)
    array = as_array("condition", order)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise TypeError(
            f"condition must be an order, an array of the numbers 0 to {dimensions - 1}, got {_short(order)}; "
            "a list is taken as one order for each sample"
        )
    if array.shape != (dimensions,) or not np.array_equal(np.sort(array), np.arange(dimensions)):
        raise ValueError(
            f"condition must be an order with each of the numbers 0 to {dimensions - 1} once, got {_short(order)}"
        )
    return array.astype(np.int64)


def checked_orders(condition: Any, count: int, dimensions: int) -> np.ndarray:
    """Return the orders of `count` images: (1, D) if they share one, else (count, D)."""
    several = condition if isinstance(condition, list) else None
    if several is None and condition is not None and as_array("condition", condition).ndim == 2:
        several = list(condition)
    if several is None:
        return checked_order(condition, dimensions)[None]
    if len(several) != count:
        raise ValueError(f"condition must have one order for each of the {count} images, got {len(several)}")
    return np.stack([checked_order(order, dimensions) for order in several])


def known_first(order: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Move the known dimensions, (D,) bool in raster order, to the front of an order.

    Example:
        >>> known_first(np.array([3, 2, 1, 0]), np.array([True, False, True, False])).tolist()
        [2, 0, 3, 1]
    """
    later = ~known[order]
    return np.concatenate([order[~later], order[later]])


def _short(value: Any) -> str:
    text = " ".join(repr(value.tolist() if isinstance(value, np.ndarray) else value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
