"""Parse --condition for models that are conditioned on classes or vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipelines.cli.media.base import MediumOption
from seqgen.errors import SeqgenError

CONDITION = MediumOption(
    "condition",
    'Class by number or name, or "each" to cycle through all classes; a vector (0.5,-1) or an image file, depending '
    "on the model",
    instead="give other conditions from Python",
)


def class_by_name(text: str | None, names: Any, count: int) -> int | Callable[[int], int]:
    """Return the class of a number or name, or a function of the index for "each"."""
    known = [str(name) for name in names] if isinstance(names, list) and len(names) == count else []
    there = ", ".join(f"{k} ({name})" for k, name in enumerate(known)) or f"0 to {count - 1}"
    if text is None:
        raise SeqgenError(f"the model is conditioned on a class; give --condition: {there}, or each")
    if text == "each":
        return lambda index: index % count
    same = [k for k, name in enumerate(known) if name.casefold() == text.strip().casefold()]
    if same:
        return same[0]
    if text.strip().isdecimal() and int(text) < count:
        return int(text)
    raise ValueError(f"there is no class {text!r}; there are {there}, and each")


def vector_of(text: str) -> Any:
    """Parse numbers separated by commas or spaces, as float32."""
    import numpy as np

    try:
        return np.array([float(word) for word in text.replace(",", " ").split()], np.float32)
    except ValueError:
        raise ValueError(
            f"--condition takes a vector such as 0.5,-1,2 for this model, got {text!r}"
        ) from None
