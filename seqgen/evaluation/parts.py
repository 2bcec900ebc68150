"""The parts of a data set of whole items, such as images or recordings, that can be scored."""

from __future__ import annotations

from seqgen.errors import SeqgenError, choice

PARTS = ("test", "validation", "train", "all")


def part_of(items: str, part: str | None, last: float) -> str:
    """The part that is asked for, "test" by default, or an error for what only texts have.

    Example:
        >>> part_of("images", None, 1.0)
        'test'
    """
    if last != 1.0:
        raise SeqgenError(f"--last is for texts; of {items}, --part says which are scored")
    return choice("part", part or "test", PARTS)
