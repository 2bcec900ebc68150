"""Read and split text files."""

from __future__ import annotations

import os
from pathlib import Path

from seqgen.errors import SeqgenError, choice


def read_text(path: str | os.PathLike[str]) -> str:
    """Read the text of a UTF-8 file, or of all .txt files in a folder in the order of their names.

    Raises:
        SeqgenError: if it is missing, empty, or not UTF-8 (the message gives the position).
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.rglob("*.txt"))
        if not files:
            raise SeqgenError(f"the folder {path} holds no .txt files")
        return "\n".join(read_text(file) for file in files)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SeqgenError(f"cannot read {path}: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeqgenError(
            f"{path} is not UTF-8 text: byte {raw[error.start]:#04x} at position {error.start}; "
            "convert it, for example with iconv -t UTF-8"
        ) from None
    if not text.strip():
        raise SeqgenError(f"{path} is empty; give a file with text")
    return text


def split_text(text: str, held_out: float = 0.1) -> tuple[str, str]:
    """Return the first part for training and the last `held_out` fraction for testing."""
    cut = len(text) - max(1, round(len(text) * held_out))
    return text[:cut], text[cut:]


def split_sequences(text: str, how: str) -> list[str]:
    """Split a text into sequences: "whole" is one, "lines" are its lines, "paragraphs" are separated by blank lines.

    Raises:
        ValueError: for another way to split.
    """
    choice("sequences", how, ("whole", "lines", "paragraphs"))
    if how == "whole":
        return [text]
    parts = text.splitlines() if how == "lines" else text.split("\n\n")
    return [part for part in (part.strip("\n") for part in parts) if part.strip()]
