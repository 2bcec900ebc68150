"""File names with the index of a sample in braces."""

from __future__ import annotations

import re
import string
from pathlib import Path

_SPECIFIED = re.compile(r"(?:.?[<>=^])?0?[0-9]{0,2}[_,]?[dxXob]?")
"""Format specifications of an index; a width has at most two digits, since a name has at most 255 bytes."""


def is_pattern(path: str | Path) -> bool:
    """Return whether a name has a field in braces."""
    try:
        return any(field is not None for _, field, _, _ in string.Formatter().parse(str(path)))
    except ValueError:
        return True


def as_pattern(path: str | Path) -> Path:
    """Insert an index field before the suffix of a plain name.

    Example:
        >>> as_pattern("sound/voice.wav").as_posix()
        'sound/voice-{index:05d}.wav'
    """
    plain = Path(path)
    return plain.with_name(f"{plain.stem}-{{index:05d}}{plain.suffix}")


def indexed_name(path: str | Path, index: int) -> Path:
    """Format a pattern with the index, or raise ValueError."""
    try:
        for _, field, specified, conversion in string.Formatter().parse(str(path)):
            if field not in (None, "index") or conversion is not None:
                raise ValueError("only {index} is replaced")
            if specified and not _SPECIFIED.fullmatch(specified):
                raise ValueError(f"{specified!r} does not format an index of up to 99 characters")
        return Path(str(path).format(index=index))
    except (ValueError, LookupError) as error:
        raise ValueError(
            f"the name {str(path)!r} is not a valid pattern: {error}; write for example "
            f"sample-{{index:05d}}{Path(path).suffix}"
        ) from None


def require_pattern(path: str | Path) -> None:
    """Raise ValueError unless a pattern gives every sample a different name."""
    if indexed_name(path, 0) == indexed_name(path, 1):
        raise ValueError(f"the name {str(path)!r} must contain {{index}}")
