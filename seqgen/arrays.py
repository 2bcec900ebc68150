"""Conversion of user input to numpy arrays: nested sequences, arrays, and tensors on any device."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_array(name: str, data: Any) -> np.ndarray:
    """Return `data` as an array of its own dtype, or raise TypeError naming `name`.

    Example:
        >>> as_array("codes", [[1, 2], [3, 4]]).shape
        (2, 2)
    """
    # tensors that require gradients or are on a GPU need explicit conversion
    given = data.detach().cpu() if hasattr(data, "detach") else data
    try:
        return np.asarray(given)
    except (TypeError, ValueError):
        what = getattr(given, "dtype", None)
        got = f"{type(data).__name__} of elements of different sizes" if what is None else str(what)
        raise TypeError(f"{name} must be an array of numbers, got {got}") from None
