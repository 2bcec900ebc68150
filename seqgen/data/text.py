"""Read and split text files.

A line ends with \\n, \\r\\n or \\r and with nothing else: a form feed, U+0085 and U+2028 are characters of a line. A
line of white space is blank.
"""

from __future__ import annotations

import os
import re
import warnings
from itertools import groupby
from pathlib import Path

from seqgen.data.folders import left_out_note, list_files
from seqgen.data.inputs import read_bytes, shown
from seqgen.errors import SeqgenError, SeqgenWarning, choice

SPLITS = ("whole", "lines", "paragraphs")
_LINE_END = re.compile("\r\n?|\n")
_BREAKS = {
    "paragraphs": re.compile(r"\n(?:[^\S\n]*\n)+"),
    "lines": re.compile(r"\n+"),
    "words": re.compile(r"\s+"),
}
_FALLBACKS = {
    "paragraphs": ("paragraphs", "lines", "words"),
    "lines": ("lines", "words"),
    "whole": ("lines", "words"),
}


def read_text(path: str | os.PathLike[str]) -> str:
    """Read the text of a UTF-8 file, or of all .txt files in a folder in the order of their paths.

    Line ends become \\n. Of a folder, `seqgen.data.folders` defines which files are read; a warning lists what is left
    out. Between two files there is a blank line.

    Args:
        path: a file, a folder, or "-" for standard input.

    Raises:
        SeqgenError: if it is missing, empty, or not UTF-8 (the message gives the position).
    """
    path = Path(path)
    if not path.is_dir():
        text = _read(path)
        if not text.strip():
            raise SeqgenError(f"{shown(path)} is empty; give a file with text")
        return text
    listing = list_files(path, (".txt",))
    if not listing.files:
        raise SeqgenError(f"the folder {path} holds no .txt files")
    texts = {str(file.relative_to(path)): _read(file) for file in listing.files}
    kept = [text for text in texts.values() if text.strip()]
    if not kept:
        raise SeqgenError(f"all {len(texts)} .txt files of {path} are empty; give a file with text")
    empty = [name for name, text in texts.items() if not text.strip()]
    notes = [*listing.notes, *([left_out_note(empty, "empty")] if empty else [])]
    if notes:
        read = f"{len(kept)} file{'s' if len(kept) != 1 else ''} read"
        warnings.warn(f"{path}: {'; '.join([read, *notes])}", SeqgenWarning, stacklevel=2)
    return "\n".join([*(text if text.endswith("\n") else f"{text}\n" for text in kept[:-1]), kept[-1]])


def _read(path: Path) -> str:
    """Return the text of one file with line ends \\n; it may be empty."""
    raw = read_bytes(path)
    try:
        return _LINE_END.sub("\n", raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SeqgenError(
            f"{shown(path)} is not UTF-8 text: byte {raw[error.start]:#04x} at position {error.start}; "
            "convert it, for example with iconv -t UTF-8"
        ) from None


def split_text(text: str, held_out: float = 0.1, how: str = "whole") -> tuple[str, str]:
    """Return the first part for training and about the last `held_out` fraction for testing.

    The cut is where one of the sequences ends into which `split_sequences` splits the text in this way; of a "whole"
    text, at the end of a line, or of a word if the lines are long, so that no word is in both parts. A text without
    white space is cut at the character.

    Raises:
        ValueError: for another way to split.
    """
    cut = _cut(text, held_out, choice("sequences", how, SPLITS))
    return text[:cut], text[cut:]


def _cut(text: str, held_out: float, how: str) -> int:
    wanted = max(1, round(len(text) * held_out))
    for kind in _FALLBACKS[how]:
        cut = _break_near(text, len(text) - wanted, _BREAKS[kind])
        # sequences are not cut however long they are; a line or word of a whole text has to be short enough
        if cut is not None and (kind == how or 2 * abs(len(text) - cut - wanted) <= wanted):
            return cut
    return len(text) - wanted


def _break_near(text: str, place: int, kind: re.Pattern[str]) -> int | None:
    """Return the first break after `place`, or the last one before it if less than half would be held out then."""
    start = len(text[:place].rstrip())
    if not start:
        return None if place > 0 else 0
    after = next((found for found in kind.finditer(text, start) if text[found.end() :].strip()), None)
    if after is not None and 2 * (len(text) - after.end()) >= len(text) - place:
        return after.end()
    before = None
    for found in kind.finditer(text, 0, start):
        before = found if text[: found.start()].strip() else before
    cuts = [found.end() for found in (after, before) if found is not None]
    return min(cuts, key=lambda cut: abs(cut - place), default=None)


def split_sequences(text: str, how: str) -> list[str]:
    """Split a text into sequences: "whole" is one, "lines" are its lines, "paragraphs" are separated by blank lines.

    Blank lines are in no sequence.

    Raises:
        ValueError: for another way to split.

    Example:
        >>> split_sequences("one\\r\\ntwo\\r\\n \\r\\nthree", "paragraphs")
        ['one\\ntwo', 'three']
    """
    choice("sequences", how, SPLITS)
    if how == "whole":
        return [text]
    lines = _LINE_END.split(text)
    if how == "lines":
        return [line for line in lines if line.strip()]
    groups = groupby(lines, key=lambda line: bool(line.strip()))
    return ["\n".join(group) for filled, group in groups if filled]
