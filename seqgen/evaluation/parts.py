"""Selection of the part to score of a data set of items, such as images or recordings."""

from __future__ import annotations

from seqgen.errors import SeqgenError, choice

PARTS = ("test", "validation", "train", "all")


def part_of(items: str, part: str | None, last: float) -> str:
    """Return the requested part, "test" by default, or raise SeqgenError if `last`, which is for texts, is given.

    Example:
        >>> part_of("images", None, 1.0)
        'test'
    """
    if last != 1.0:
        raise SeqgenError(f"--last is for texts; use --part to select which {items} are scored")
    return choice("part", part or "test", PARTS)
