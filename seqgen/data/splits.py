"""Split an image data set into training, validation and test images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqgen import rng
from seqgen.data.image_reader import read_images, read_parts
from seqgen.data.image_set import ImageSet
from seqgen.errors import SeqgenError


@dataclass(frozen=True)
class Splits:
    """Training, validation and test images; `how` describes the split."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    how: str


def split(count: int, parts: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    """Shuffle the numbers 0 to count - 1 by the seed and split them into `parts` of the given sizes.

    Example:
        >>> [len(part) for part in split(10, (8, 1, 1))]
        [8, 1, 1]
    """
    if sum(parts) > count:
        raise SeqgenError(f"a split in {parts} needs {sum(parts)} images, there are {count}")
    order = np.argsort(rng.uniforms(seed, np.arange(count), 0, rng.Purpose.SPLIT), kind="stable")
    return np.split(order, np.cumsum(parts))[: len(parts)]


def read_splits(path: str | os.PathLike[str], seed: int = 0, **options: Any) -> Splits:
    """Read a data set and split it.

    A folder of IDX files, or with the sub-folders train and test, keeps its own test set; otherwise a tenth is the test
    set. A tenth of the rest, at most 1,000 images, is the validation set.

    Args:
        path: as in `read_images`. seed: that of the split. options: those of `read_images`.

    Raises:
        SeqgenError: if the data cannot be read, or there are fewer than 3 images.
    """
    folder = Path(path)
    parts = read_parts(folder, **options)
    if not parts:
        return _by_seed(read_images(folder, **options), seed)
    whole, test = parts
    if whole.images.shape[1:] != test.images.shape[1:] or whole.classes != test.classes:
        raise SeqgenError(
            f"the training and the test images of {folder} differ in the size of their images or in their classes"
        )
    held = min(1000, len(whole) // 10)
    train, validation = split(len(whole), (len(whole) - held, held), seed)
    words = f"{len(test)} test images as published"
    return _described(whole.take(train), whole.take(validation), test, words, seed)


def _by_seed(whole: ImageSet, seed: int) -> Splits:
    if len(whole) < 3:
        raise SeqgenError(
            f"to train, validate and score at least 3 images are needed, there are {len(whole)}"
        )
    held = max(1, len(whole) // 10)
    validated = min(1000, held)
    parts = split(len(whole), (len(whole) - held - validated, validated, held), seed)
    train, validation, test = (whole.take(part) for part in parts)
    return _described(train, validation, test, f"{held} test images by seed {seed}", seed)


def _described(train: ImageSet, validation: ImageSet, test: ImageSet, words: str, seed: int) -> Splits:
    how = f"{len(train)} to train on, {len(validation)} for validation (by seed {seed}), {words}"
    return Splits(train, validation, test, how)
