"""Held-out likelihood of a model on the user's data; the registry names the scoring function of each family."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqgen.codecs import codec_from_config
from seqgen.errors import SeqgenError
from seqgen.files import readable
from seqgen.generator import Generator
from seqgen.pretrained import find
from seqgen.registry import family, resolve

Report = Callable[[int, int], None]


def held_out(
    name_or_path: str | os.PathLike[str], data: str | os.PathLike[str], *, last: float = 1.0, part: str | None = None,
    report: Report | None = None, **reading: Any,
) -> dict[str, Any]:  # fmt: skip
    """Compute the exact log-likelihood of `data` under a model, in total and per symbol.

    Args:
        name_or_path: the model.
        data: a text file for text models, .npy or .npz for numeric models, a folder of digits for pen strokes, any
            input of `seqgen.data.images.read_images` for images, and an audio file or folder for audio.
        last: score only this last fraction of a text.
        part: "test", "validation", "train" or "all", of a data set of images or recordings; None is "test".
        report: called with (items scored, total items).
        reading: for images, "maximum", "ground" and "fit" of `seqgen.image.evaluation.score_images`.

    Returns:
        model, family, data, nats (total), the entries of the family's `evaluation`, and score and score_unit as in the
        card.
    """
    weights = find(name_or_path)
    kind = family(weights.family)
    given = {name: value for name, value in reading.items() if value is not None and value is not False}
    medium = codec_from_config(weights.config["codec"]).medium if given else "image"
    if medium != "image":
        raise SeqgenError(
            f"{next(iter(given))} is for images, and {os.fspath(name_or_path)} is no model of images"
        )
    model: Generator = kind.model_class().from_weights(weights)
    score = resolve(kind.evaluation)
    found: dict[str, Any] = score(
        model, weights.card, Path(data), last=last, part=part, report=report, **given
    )
    unit = str(weights.card.get("score_unit", ""))
    if "score" not in found and "nats_per_symbol" in found and unit.startswith("nats/"):
        # named as in the card, with which it can be compared
        found |= {"score": found["nats_per_symbol"], "score_unit": unit}
    return {"model": readable(name_or_path), "family": model.family, "data": readable(data), **found}
