"""What users give as numbers, as numpy arrays: nested sequences, arrays, and tensors of any device."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_array(name: str, data: Any) -> np.ndarray:
    """`data` as an array of whatever dtype it has, or TypeError naming `name`.

    Example:
        >>> as_array("codes", [[1, 2], [3, 4]]).shape
        (2, 2)
    """
    # tensors that have a gradient or lie on a GPU do not become arrays by themselves
    given = data.detach().cpu() if hasattr(data, "detach") else data
    try:
        return np.asarray(given)
    except (TypeError, ValueError):
        what = getattr(given, "dtype", None)
        got = f"{type(data).__name__} of parts of different sizes" if what is None else str(what)
        raise TypeError(f"{name} must be an array of numbers, got {got}") from None
