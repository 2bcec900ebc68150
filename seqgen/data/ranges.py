"""The range of the numbers of an image array: which number is full intensity.

An array does not tell whether its ones are levels of a binary image or intensities of 255. The largest number and the
levels of the model decide where only one reading is plausible; otherwise the range has to be declared.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqgen.errors import SeqgenWarning, real

DECLARE = "maximum={0:g} (seqgen train: --set maximum={0:g}; eval and stream: --maximum {0:g})"
_FULL = 255
_BRIGHT = 128  # images with intensities up to 255 are taken to have a number of at least this size


@dataclass(frozen=True)
class Expected:
    """The images that a model has, which decide how an array of undeclared range and layout is read.

    Attributes:
        levels: number of levels. shape: (colours, rows, columns); None if it is that of the data.
        maximum: number of full intensity of the arrays that the model was trained on, if it was declared.
        samples: whether the array may hold samples of the model, whose numbers are levels even if all are low.
    """

    levels: int
    shape: tuple[int, ...] | None = None
    maximum: float | None = None
    samples: bool = False


@dataclass(frozen=True)
class Range:
    """The number of full intensity, and a description for the card."""

    maximum: float
    words: str


def range_of(array: np.ndarray, maximum: float | None = None, expected: Expected | None = None) -> Range:
    """Return the range of the numbers of an array.

    Numbers of a declared range are from 0 to `maximum`. Otherwise booleans are levels of binary images, and integers
    are the levels 0 to levels - 1 of the expected images if that is their range, or intensities from 0 to 255 if some
    are above 127. If neither or both would do, and for floats, the range has to be declared.

    Raises:
        TypeError: if they are not numbers, or floats of undeclared range.
        ValueError: if a number is negative, or the range is not clear; the message says how to declare it.

    Example:
        >>> range_of(np.array([0, 1, 1]), expected=Expected(2)).maximum
        1
        >>> range_of(np.array([0, 200], np.uint8)).maximum
        255
    """
    if maximum is not None:
        number = real("maximum", maximum, above=0.0)
        return Range(number, f"0 to {number:g}, as declared")
    if array.dtype.kind == "b":
        return Range(1, "false and true")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"intensities must be numbers from 0 to 255, got {array.dtype}")
    high = array.max()
    if array.dtype.kind == "f":
        _require_scalable(array)
        if expected is not None and _is_that_of_training(high, expected):
            return _as_in_training(expected)
        full = float(np.ceil(high)) if 1 < high < np.inf else 1
        raise TypeError(
            f"intensities must be uint8 from 0 to 255, got {array.dtype}; if they have another range, declare it, for "
            f"numbers from 0 to {full:g} by {DECLARE.format(full)}"
        )
    low, high = int(array.min()), int(high)
    if low < 0:
        raise ValueError(f"intensities must be from 0 up, got {low}")
    if not high:
        return Range(_FULL, "all numbers are 0")
    if expected is None:
        if _BRIGHT <= high <= _FULL:
            return Range(_FULL, "0 to 255")
        raise ValueError(_question(high))
    return _of_integers(high, expected)


def _of_integers(high: int, expected: Expected) -> Range:
    top, known = expected.levels - 1, expected.maximum
    if high == top or (high < top and high != known and expected.samples and 2 * high > top):
        return _levels(top)
    if _is_that_of_training(high, expected):
        return _as_in_training(expected)
    if high < top and expected.samples:
        # samples can be this dark, but so are numbers of a smaller range
        warnings.warn(
            f"the largest number is {high}, and the numbers are read as the levels 0 to {top} of the model; if "
            f"{high} is full intensity, declare it: {DECLARE.format(high)}",
            SeqgenWarning,
            stacklevel=2,
        )
        return _levels(top)
    if _BRIGHT <= high <= _FULL and (high > top or top == _FULL):
        return Range(_FULL, "0 to 255")
    raise ValueError(_question(high, expected.levels))


def _levels(top: int) -> Range:
    return Range(top, "0 to 255" if top == _FULL else f"0 to {top}, the levels")


def _is_that_of_training(high: Any, expected: Expected) -> bool:
    known = expected.maximum
    if known is None or not 0 < high <= known:
        return False
    # low numbers may be of another range; numbers from 0 to 1 with none above 1/2 are still of that range
    return bool(known == 1 or known < 2 * high)


def _as_in_training(expected: Expected) -> Range:
    assert expected.maximum is not None
    return Range(expected.maximum, f"0 to {expected.maximum:g}, as in training")


def _question(high: int, levels: int | None = None) -> str:
    top = _FULL if levels is None else levels - 1
    fits = "not" if top == _FULL else f"neither the levels 0 to {top} nor"
    others = [f"{number}" for number in dict.fromkeys((top, _FULL)) if number > high]
    return (
        f"the largest number is {high}, which suggests {fits} the range 0 to 255; declare the number of full "
        f"intensity: {DECLARE.format(high)}" + (f", or {' or '.join(others)} instead" if others else "")
    )


def refuse_other_range(array: np.ndarray, maximum: float) -> None:
    """Raise TypeError or ValueError unless all numbers are from 0 to `maximum`."""
    real("maximum", maximum, above=0.0)
    if array.dtype.kind not in "iufb":
        raise TypeError(f"intensities must be numbers from 0 to {maximum:g}, got {array.dtype}")
    wrong = ~((array >= 0) & (array <= maximum))
    if wrong.any():
        place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
        raise ValueError(
            f"intensities must be from 0 to {maximum:g} as declared, got {array[place]} at {list(place)}"
        )


def _require_scalable(array: np.ndarray) -> None:
    """Raise ValueError for floats of which no range from 0 up could be declared."""
    if not np.isfinite(array).all():
        where = [int(k) for k in np.argwhere(~np.isfinite(array))[0]]
        raise ValueError(f"intensities must be finite, got {array[tuple(where)]} at {where}")
    low, high = float(array.min()), float(array.max())
    if low < 0:
        raise ValueError(
            f"intensities must be from 0 up, got numbers from {low:g} to {high:g}; shift and scale them to 0 to 1, as "
            "(x - x.min()) / (x.max() - x.min())"
        )
