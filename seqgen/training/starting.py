"""Initialization from another model: fine-tuning, or further training with a new learning rate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seqgen.errors import SeqgenError
from seqgen.pretrained import find_family

_MAY_DIFFER = frozenset({"dropout"})


def begin_with(model: Any, name_or_path: str) -> dict[str, Any]:
    """Copy the parameters of another model of the same family and architecture, and return entries for the card.

    Raises:
        SeqgenError: if there is no such model, or its family, codec or size differs; dropout may differ.
    """
    weights = find_family(name_or_path, model.family)
    ours, theirs = json.loads(json.dumps(model.config())), weights.config
    if ours["codec"] != theirs["codec"]:
        raise SeqgenError(
            f"start={name_or_path} has other symbols than the data (its codec differs: the characters of a text, "
            "the shape and levels of images, the sample rate of audio); train without start"
        )
    differing = [
        f"{name}={theirs.get(name)!r}, not {ours.get(name)!r}"
        for name in sorted((ours.keys() | theirs.keys()) - _MAY_DIFFER)
        if ours.get(name) != theirs.get(name)
    ]
    if differing:
        raise SeqgenError(
            f"start={name_or_path} has {'; '.join(differing)}; train with its settings, or without start"
        )
    model.take_arrays(weights)
    return {"model": Path(name_or_path).name, "hash": weights.hash}
