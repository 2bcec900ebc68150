"""Files that are read once and whole: also standard input, a pipe and a device, which have no size and no end to seek.

"-" is standard input, as is /dev/stdin; a file of that name is "./-".
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seqgen.errors import SeqgenError
from seqgen.files import is_special

STANDARD_INPUT = "-"


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Return whether there is standard input, a pipe or a device at `path`, which can be read only once."""
    return os.fspath(path) == STANDARD_INPUT or is_special(path)


def shown(path: str | os.PathLike[str]) -> str:
    """Return the name of an input for messages.

    Example:
        >>> shown("-"), shown("a/b.wav")
        ('standard input', 'a/b.wav')
    """
    return "standard input" if os.fspath(path) == STANDARD_INPUT else os.fspath(path)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the contents of a file or stream.

    Raises:
        SeqgenError: if it cannot be read, or a stream is empty.
    """
    name = shown(path)
    try:
        if os.fspath(path) == STANDARD_INPUT:
            data = sys.stdin.buffer.read() if sys.stdin is not None else b""
        else:
            data = Path(path).read_bytes()
    except OSError as error:
        raise SeqgenError(f"cannot read {name}: {error.strerror or error}") from None
    if not data and is_stream(path):
        raise SeqgenError(f"{name} is empty; it can be read only once, and by one option")
    return data
