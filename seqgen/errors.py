"""Error types, and argument checks whose messages name the argument, its value and the valid range."""

import math
import operator
from typing import Any


class SeqgenError(Exception):
    """An error that the user can correct: an invalid file, stream or request."""


class SeqgenWarning(UserWarning):
    """A warning of seqgen."""


class MissingPackageError(SeqgenError, ImportError):
    """An optional package is not installed or broken; the message contains the install command."""


def integer(
    name: str, value: Any, *, low: int | None = None, high: int | None = None, most: int | None = None
) -> int:
    """Return `value` as an int within [low, high], or raise TypeError/ValueError naming `name`.

    `most` is a practical limit, which the message mentions only if it is exceeded.
    """
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name} must be {_range(low, high)}, got {number}")
    if most is not None and number > most:
        raise ValueError(f"{name} must be at most {most}, got {number}")
    return number


def optional_integer(name: str, value: Any, *, low: int | None = None, most: int | None = None) -> int | None:
    """Like `integer`, with None passed through."""
    return None if value is None else integer(name, value, low=low, most=most)


def real(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    low: float | None = None,
    high: float | None = None,
    below: float | None = None,
) -> float:
    """Return `value` as a finite float with above < value, low <= value <= high, value < below."""
    if isinstance(value, (bool, str, bytes)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    except OverflowError:
        number = math.inf
    right = math.isfinite(number)
    right = right and (above is None or number > above) and (low is None or number >= low)
    right = right and (high is None or number <= high) and (below is None or number < below)
    if not right:
        bounds = [
            text.format(bound)
            for text, bound in ((">{}", above), (">={}", low), ("<={}", high), ("<{}", below))
            if bound is not None
        ]
        wanted = " and ".join(bounds) or "finite"
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return number


def choice(name: str, value: Any, options: tuple[str, ...]) -> str:
    """Return `value` if it is one of `options`, or raise ValueError that lists them."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")
    return str(value)


def _range(low: int | None, high: int | None) -> str:
    if low is not None and high is not None:
        return f"between {low} and {high}"
    return f"at least {low}" if low is not None else f"at most {high}"


def nothing_to_draw(*, controlled: bool, where: str = "") -> SeqgenError:
    """Return the error for a distribution without a symbol of positive probability.

    Args:
        controlled: whether the sample has controls that change its distribution; else the model's numbers are at fault.
        where: the position and the sample, if they are known.
    """
    if controlled:
        return SeqgenError(
            f"the controls leave no symbol to draw{where and f' {where}'}; allow symbols that can follow, or use a "
            "model with smoothing"
        )
    return SeqgenError(
        f"the model has no symbol to draw{where and f' {where}'}: its numbers overflow, as after a training that "
        "diverged; train it with a lower learning rate"
    )
