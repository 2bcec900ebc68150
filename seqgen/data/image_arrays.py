"""Read images from .npy and .npz files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.data.image_set import ImageSet
from seqgen.data.levels import intensities
from seqgen.errors import SeqgenError

_BLOCK = 1024
_IMAGES, _LABELS = ("images", "x", "data"), ("labels", "y")


def read_image_arrays(path: Path, *, colours: int | None = None, maximum: float | None = None) -> ImageSet:
    """Read images of the shape (N, H, W), (N, C, H, W) or (N, H, W, C).

    In a .npz file, images are named "images", "x" or "data", and labels (N,) "labels" or "y"; archives written by
    `seqgen stream -o x.npz` also store the number of levels.

    Args:
        path: the file; .npy is memory-mapped.
        colours: the number of colours, if the shape is ambiguous.
        maximum: the number of full intensity if it is not 255 of uint8, for example 1.

    Raises:
        SeqgenError: if the file is missing or damaged, or its contents are of another kind, out of range or not finite.
    """
    try:
        if path.suffix.lower() == ".npy":
            return _checked(path, np.load(path, mmap_mode="r", allow_pickle=False), None, colours, maximum)
        # numpy does not close the file of a damaged archive if it opened the file itself
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return _from_archive(path, archive, colours, maximum)
    except OSError as error:
        raise SeqgenError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise SeqgenError(f"{path} is not a complete {path.suffix} file of numbers: {error}") from None


def _from_archive(path: Path, archive: Any, colours: int | None, maximum: float | None) -> ImageSet:
    names = [name for name in _IMAGES if name in archive.files]
    if not names:
        raise SeqgenError(
            f"{path} holds {', '.join(archive.files) or 'nothing'}; images must be called {' or '.join(_IMAGES)}"
        )
    images = archive[names[0]]
    if maximum is None and "levels" in archive.files:
        maximum = int(archive["levels"]) - 1
        if images.ndim != 4 or ("length" in archive.files and (archive["length"] < images.shape[2]).any()):
            raise SeqgenError(f"{path} holds images that are not finished; stream them again")
    labels = next((archive[name] for name in _LABELS if name in archive.files), None)
    return _checked(path, images, labels, colours, maximum)


def _checked(
    path: Path, array: np.ndarray, labels: np.ndarray | None, colours: int | None, maximum: float | None
) -> ImageSet:
    if array.ndim not in (3, 4) or not array.size:
        raise SeqgenError(
            f"{path} must hold images of the shape (N, H, W), (N, C, H, W) or (N, H, W, C), got {array.shape}"
        )
    planes = array[:, None] if array.ndim == 3 else _colours_first(path, array, colours)
    if colours is not None and planes.shape[1] != colours:
        raise SeqgenError(f"{path} has images of {planes.shape[1]} colours, colours={colours} was asked for")
    try:
        if maximum is None:
            images = intensities(np.asarray(planes))
        else:
            images = np.empty(planes.shape, np.uint8)
            for first in range(0, len(planes), _BLOCK):
                images[first : first + _BLOCK] = intensities(planes[first : first + _BLOCK], maximum)
    except (TypeError, ValueError) as error:
        raise SeqgenError(f"{path}: {error}") from None
    return ImageSet(images, None if labels is None else checked_labels(path, labels, len(images)))


def _colours_first(path: Path, array: np.ndarray, colours: int | None) -> np.ndarray:
    wanted = (1, 3) if colours is None else (colours,)
    first, last = array.shape[1] in wanted, array.shape[3] in wanted
    if first == last:
        raise SeqgenError(
            f"{path} holds an array {array.shape}, in which it is not clear where the colours are: one of the second "
            f"and the last axis must be {' or '.join(map(str, wanted))}; give colours=, or another shape"
        )
    return array if first else array.transpose(0, 3, 1, 2)


def checked_labels(path: Path, labels: np.ndarray, count: int) -> np.ndarray:
    """Return class numbers (count,) int64, or raise SeqgenError."""
    if labels.dtype.kind not in "iu" or labels.shape != (count,) or labels.min() < 0:
        raise SeqgenError(
            f"{path} must have one label, a number from 0 up, for each of the {count} images, "
            f"got {labels.dtype} {labels.shape}"
        )
    return labels.astype(np.int64)
