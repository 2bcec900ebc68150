"""Text from models on a terminal: control characters are shown and not obeyed.

A vocabulary or a card may hold escape sequences that move the cursor, rename the window or hide what follows. Pipes and
files get the exact characters.
"""

from __future__ import annotations

import re
from typing import Any

# C0 and C1 controls except tab and newline, line separators, and what changes the direction of writing
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return text whose control characters, except tab and newline, are written as Python escapes.

    Example:
        >>> printable("one\\n\\x1b[2Jtwo")
        'one\\n\\\\x1b[2Jtwo'
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shown_on(stream: Any, text: str) -> str:
    """Return `printable` text if a stream is a terminal, else the text."""
    return printable(text) if stream.isatty() else text


class PrintableStream:
    """A terminal to which text is written as `printable`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
