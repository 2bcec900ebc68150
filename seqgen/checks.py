"""Checks of probability tables, parameters and observations; error messages name the argument and the entry."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.errors import integer

TOLERANCE = 1e-6


def finite(name: str, value: Any, *shapes: tuple[int | str, ...]) -> np.ndarray:
    """Return `value` as a float64 array of one of `shapes` whose entries are all finite, or raise TypeError/ValueError.

    A letter in a shape stands for any length of at least one. The array is a copy that cannot be written to, since a
    changed entry would not be checked.
    """
    try:
        array = np.array(value, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of numbers, got {value!r}") from None
    if not any(_fits(array.shape, shape) for shape in shapes):
        wanted = " or ".join(
            "(" + ", ".join(map(str, s)) + ("," if len(s) == 1 else "") + ")" for s in shapes
        )
        raise ValueError(f"{name} must have the shape {wanted}, got {array.shape}")
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(k) for k in np.argwhere(bad)[0])
        raise ValueError(f"{name} must be finite, got {array[where]} at {list(where)}")
    return frozen(array)


def probabilities(name: str, value: Any, *shapes: tuple[int | str, ...]) -> np.ndarray:
    """Like `finite`; entries must be at least 0, and the last axis must sum to 1 within 1e-6, and is normalised."""
    array = finite(name, value, *shapes)
    if (array < 0).any():
        where = tuple(int(k) for k in np.argwhere(array < 0)[0])
        raise ValueError(f"{name} must not be negative, got {array[where]:g} at {list(where)}")
    sums = array.sum(-1)
    wrong = np.abs(sums - 1.0) > TOLERANCE
    if wrong.any():
        row = tuple(int(k) for k in np.argwhere(wrong)[0])
        which = f"row {', '.join(map(str, row))} of {name} sums" if row else f"{name} sums"
        raise ValueError(f"{which} to {sums[row]:.6g}, it must sum to 1")
    return frozen(renormalised(array))


def frozen(array: np.ndarray) -> np.ndarray:
    """Return a copy that is read-only for good: its memory is that of an immutable object."""
    return np.ndarray(array.shape, array.dtype, np.ascontiguousarray(array).tobytes())


def renormalised(array: np.ndarray) -> np.ndarray:
    """Return probabilities that were stored in lower precision as float64, normalised to sum to one."""
    array = np.array(array, np.float64)
    sums = array.sum(-1, keepdims=True)
    return np.where(np.abs(sums - 1.0) > 1e-12, array / sums, array)


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        have >= 1 if isinstance(want, str) else have == want for have, want in zip(shape, wanted, strict=True)
    )


def boolean(name: str, value: Any) -> bool:
    """Return `value` if it is a bool, or raise TypeError naming `name`."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def seed_number(seed: Any) -> int:
    """Return `seed` as a seed for PyTorch's generators, or raise TypeError/ValueError."""
    return integer("seed", seed, low=0, high=2**64 - 1)


def multiple(name: str, value: Any, colours: int) -> int:
    """Return `value` if it is a positive multiple of the number of colours, or raise TypeError/ValueError."""
    number = integer(name, value, low=1)
    if number % colours:
        raise ValueError(f"{name} must be a multiple of the {colours} colours, got {number}")
    return number
