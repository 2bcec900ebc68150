"""Held-out likelihood of an image model on a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.codecs.pixels import Pixels
from seqgen.data.images import ImageSet, binarize, read_images, read_splits, to_levels
from seqgen.data.ranges import Expected
from seqgen.data.reading import Reading
from seqgen.errors import SeqgenError
from seqgen.evaluation.parts import part_of
from seqgen.image.objective import score_unit

_BLOCK = 100


def score_images(
    model: Any,
    card: Mapping[str, Any],
    data: Path,
    *,
    last: float = 1.0,
    part: str | None = None,
    maximum: float | None = None,
    ground: str | None = None,
    fit: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compute the exact log-likelihood of images: in total, per image and per dimension (a colour of a pixel).

    Models of two levels are scored on one binarization, by the seed of the card, as was the card's score; other models
    on the nearest levels. Class-conditional models receive the labels. Images are read as for training, according to
    the card.

    Args:
        model: an image model. card: that of the model; its "seed" splits and binarizes.
        data: as in `read_images`.
        last: 1. part: "test", "validation" or "train" of the data as training splits them, or "all".
        report: called with (images scored, total images).

    Returns:
        part, split, range and how else the images were read, images, dimensions, conditional, score and score_unit (as
        in the card), nats (total), nats_per_image, bits_per_dim.

    Raises:
        SeqgenError: if the images do not have the model's size, or lack labels that the model needs.
    """
    part = part_of("images", part, last)
    codec: Pixels = model.codec
    seed = int(card.get("seed", 0))
    reading = Reading.from_card(card)
    expected = Expected(codec.levels, codec.shape, reading.maximum, samples=True)
    options = replace(reading, maximum=maximum).changed(ground=ground).options()
    if fit:
        options |= Reading.of_shape(codec.shape).options()
    if part == "all":
        chosen, words = read_images(data, expected=expected, **options), "all images"
    else:
        splits = read_splits(data, seed, expected=expected, **options)
        chosen, words = getattr(splits, part), splits.how
    _require_size(data, chosen, codec)
    conditional = "class" in model.conditions.kinds
    labels = _labels(data, chosen, model) if conditional else None
    # the score in a card uses the binarization by seed + 1; training validates with that by seed
    levels = (
        binarize(chosen.images, seed + 1) if codec.levels == 2 else to_levels(chosen.images, codec.levels)
    )
    nats = 0.0
    for first in range(0, len(levels), _BLOCK):
        rows = slice(first, first + _BLOCK)
        given = {} if labels is None else {"condition": labels[rows]}
        nats -= float(np.sum(np.asarray(model.log_prob(levels[rows], **given))))
        if report is not None:
            report(min(first + _BLOCK, len(levels)), len(levels))
    each = nats / len(levels)
    bits = each / (levels[0].size * float(np.log(2.0)))
    return {
        "part": part,
        "split": words,
        **chosen.reading,
        "images": len(levels),
        "dimensions": levels[0].size,
        "conditional": conditional,
        "score": each if codec.levels == 2 else bits,
        "score_unit": getattr(model, "score_unit", None) or score_unit(codec.levels),
        "nats": nats,
        "nats_per_image": each,
        "bits_per_dim": bits,
    }


def _require_size(data: Path, images: ImageSet, codec: Pixels) -> None:
    if not len(images):
        raise SeqgenError(f"{data} has no images in this part; give --part all")
    if images.images.shape[1:] != codec.shape:
        raise SeqgenError(
            f"the images of {data} are {images.images.shape[1:]} (colours, rows, columns), those of the model "
            f"{codec.shape}; --fit (fit=True) crops, resizes and converts them"
        )


def _labels(data: Path, images: ImageSet, model: Any) -> np.ndarray:
    if model.conditions.kinds != ("class",):
        raise SeqgenError(
            f"the model is conditioned on {' and '.join(model.conditions.kinds)}; score it from Python"
        )
    if images.labels is None:
        raise SeqgenError(f"the model is conditioned on a class, but {data} has no labels")
    if images.labels.max() >= model.conditions.classes:
        raise SeqgenError(
            f"{data} has labels up to {images.labels.max()}, the model knows the classes 0 to "
            f"{model.conditions.classes - 1}; number the classes as in training"
        )
    return images.labels
