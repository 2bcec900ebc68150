"""Declarations of arrays in a schema: shape, dtype and values, and the messages for arrays that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from seqgen.checks import TOLERANCE

FLOATS = ("float32", "float64")
"""The dtypes of parameters; bfloat16 is widened to float32 when a file is read."""

_ROUNDED = 2.0**-8
"""Tolerance of the sum of probabilities that were rounded to bfloat16."""

Sizes = dict[str, int]
"""Known lengths by name."""


@dataclass(frozen=True)
class Field:
    """The declaration of one array.

    Attributes:
        shape: lengths; a name is a length that the configuration does not determine, the same in all arrays.
        dtypes: the names of the allowed dtypes.
        low, above, high, below: bounds of its values; `above` and `below` are exclusive. A tuple has one bound per
            entry of the last axis; a name is a length that an engine knows.
        finite: whether floats must be finite; NaN is never allowed.
        rows: property of each row along the last axis: "probabilities" sum to one, "some" has at least one True.
        by: description of the configuration entries that determine the shape.
        optional: whether it may be missing from a state.

    Example:
        >>> Field((2, 3), by="channels 2").check("weight", np.zeros((3, 2), np.float32), {}, "a toy")
        Traceback (most recent call last):
        ValueError: weight has the shape (3, 2), a toy with channels 2 needs (2, 3)
    """

    shape: tuple[int | str, ...]
    dtypes: tuple[str, ...] = FLOATS
    low: float | None = None
    above: float | None = None
    high: float | tuple[float, ...] | None = None
    below: int | str | None = None
    finite: bool = True
    rows: Literal["", "probabilities", "some"] = ""
    by: str = ""
    optional: bool = False

    def check(self, name: str, array: np.ndarray, sizes: Sizes, owner: str) -> None:
        """Raise ValueError unless the array is as declared: `layout` and `values`."""
        self.layout(name, array, sizes, owner)
        self.values(name, array, sizes)

    def layout(self, name: str, array: np.ndarray, sizes: Sizes, owner: str) -> None:
        """Raise ValueError unless shape and dtype are as declared; nothing is allocated.

        Args:
            name: name of the array.
            sizes: known lengths by name; new ones are added.
            owner: for the message, such as "a char-rnn".
        """
        shape = array.shape
        fits = len(shape) == len(self.shape)
        for length, wanted in zip(shape, self.shape, strict=False):
            if isinstance(wanted, str):
                fits = fits and length == sizes.setdefault(wanted, length)
            else:
                fits = fits and length == wanted
        if not fits:
            needs = tuple(sizes.get(n, n) if isinstance(n, str) else n for n in self.shape)
            raise ValueError(
                f"{name} has the shape {_shown(shape)}, {owner}{self.by and f' with {self.by}'} needs {_shown(needs)}"
            )
        if not any(array.dtype == dtype for dtype in self.dtypes):
            raise ValueError(f"{name} is of {array.dtype}, it must be of {' or '.join(self.dtypes)}")

    def values(self, name: str, array: np.ndarray, sizes: Sizes) -> None:
        """Raise ValueError unless all values are as declared."""
        if not array.size:
            if self.rows == "probabilities":
                raise ValueError(
                    f"{name} has the shape {_shown(array.shape)}, it must hold at least one probability"
                )
            return
        if array.dtype.kind == "b":
            # compiled code treats bytes other than 0 and 1 as neither True nor False
            if array.view(np.uint8).max() > 1:
                raise ValueError(f"{name} holds bytes that are neither True nor False")
        else:
            self._numbers(name, array, sizes)
        if self.rows == "probabilities":
            self._probabilities(name, array)
        elif self.rows == "some" and not array.any(-1).all():
            raise ValueError(f"{name} must have a True in every row")

    def _numbers(self, name: str, array: np.ndarray, sizes: Sizes) -> None:
        if array.dtype.kind == "f" and not _all_finite(array):
            wrong = ~np.isfinite(array) if self.finite else np.isnan(array)
            if wrong.any():
                value, where = _first(array, wrong)
                raise ValueError(f"{name} is not finite: it has {value} at {where}")
        below = sizes[self.below] if isinstance(self.below, str) else self.below
        wrong_where = (
            ("at least", self.low, lambda bound: array < bound),
            ("above", self.above, lambda bound: array <= bound),
            ("at most", self.high, lambda bound: array > np.asarray(bound)),
            ("below", below, lambda bound: array >= bound),
        )
        for words, bound, is_wrong in wrong_where:
            if bound is not None and (wrong := is_wrong(bound)).any():
                value, where = _first(array, wrong)
                limit = bound[int(np.argwhere(wrong)[0][-1])] if isinstance(bound, tuple) else bound
                raise ValueError(f"{name} must be {words} {limit:g}, it has {value} at {where}")

    def _probabilities(self, name: str, array: np.ndarray) -> None:
        sums = array.sum(-1, dtype=np.float64)
        wrong = np.abs(sums - 1.0) > (TOLERANCE if array.dtype == np.float64 else _ROUNDED)
        if wrong.any():
            value, where = _first(sums, wrong)
            raise ValueError(
                f"{f'row {where} of ' if array.ndim > 1 else ''}{name} sums to {value}, it must sum to 1"
            )


Fields = Iterable[tuple[str, Field]]
"""Arrays by name. A generator of them is stopped at the first array that a file lacks, however many would follow."""


def affine(name: str, *shape: int, by: str, bias: int | bool = True) -> Iterator[tuple[str, Field]]:
    """Yield weight and bias of a linear map or a convolution; by default the bias has the length of the first axis."""
    yield f"{name}.weight", Field(shape, by=by)
    if bias is not False:
        yield f"{name}.bias", Field((shape[0] if bias is True else bias,), by=by)


def prefixed(prefix: str, fields: Fields) -> Iterator[tuple[str, Field]]:
    """Yield the arrays of a sub-model, with its prefix and a dot before their names."""
    for name, field in fields:
        yield f"{prefix}{name}", field


def optional(fields: Fields) -> Iterator[tuple[str, Field]]:
    """Yield the same arrays of a state, marked as optional."""
    for name, field in fields:
        yield name, replace(field, optional=True)


def described(sizes: Mapping[str, Any], *names: str) -> str:
    """Format entries of a configuration for a message.

    Example:
        >>> described({"cell": "gru", "hidden_size": 8, "layers": 2}, "cell", "hidden_size")
        "cell 'gru' and hidden_size 8"
    """
    each = [f"{name} {sizes[name]!r}" for name in names]
    return " and ".join(filter(None, [", ".join(each[:-1]), *each[-1:]]))


def _all_finite(array: np.ndarray) -> bool:
    """Return whether all values are finite: tests their sum first, and single values only if it is not finite."""
    with np.errstate(all="ignore"):
        total = np.add.reduce(array, axis=None)
    return bool(np.isfinite(total)) or bool(np.isfinite(array).all())


def _first(array: np.ndarray, wrong: np.ndarray) -> tuple[str, Any]:
    """Return the first invalid value and its position."""
    place = tuple(int(k) for k in np.argwhere(wrong)[0])
    return f"{array[place]:g}", place[0] if len(place) == 1 else list(place)


def _shown(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
