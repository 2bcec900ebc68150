"""Read images from .npy and .npz files."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.data.image_set import ImageSet
from seqgen.data.levels import scale
from seqgen.data.ranges import Expected, range_of
from seqgen.errors import SeqgenError, SeqgenWarning

_IMAGES, _LABELS = ("images", "x", "data"), ("labels", "y")
_STREAMED = ("index", "length", "levels")  # in an archive written by `seqgen stream`


def read_image_arrays(
    path: Path, *, colours: int | None = None, maximum: float | None = None, expected: Expected | None = None
) -> ImageSet:
    """Read images of the shape (N, H, W), (N, C, H, W) or (N, H, W, C).

    In a .npz file, images are named "images", "x" or "data", and labels (N,) "labels" or "y"; archives written by
    `seqgen stream -o x.npz` also store the number of levels.

    Args:
        path: the file; .npy is memory-mapped.
        colours: the number of colours, if the shape is ambiguous.
        maximum: the number of full intensity; None is decided by `seqgen.data.ranges.range_of`.
        expected: the images of the model; an array of their shape is read as it is.

    Raises:
        SeqgenError: if the file is missing or damaged, or its contents are of another kind, out of range or not finite.
    """
    try:
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            planes = _planes(path, array, colours, expected)
            images, reading = _scaled(path, planes, maximum, expected)
            return ImageSet(images, reading=reading)
        # numpy does not close the file of a damaged archive if it opened the file itself
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return _from_archive(path, archive, colours, maximum, expected)
    except OSError as error:
        raise SeqgenError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise SeqgenError(f"{path} is not a complete {path.suffix} file of numbers: {error}") from None


def _from_archive(
    path: Path, archive: Any, colours: int | None, maximum: float | None, expected: Expected | None
) -> ImageSet:
    names = [name for name in _IMAGES if name in archive.files]
    if not names:
        raise SeqgenError(
            f"{path} holds {', '.join(archive.files) or 'nothing'}; images must be called {' or '.join(_IMAGES)}"
        )
    images = archive[names[0]]
    streamed = "levels" in archive.files
    if streamed:
        maximum = int(archive["levels"]) - 1 if maximum is None else maximum
        if images.ndim != 4 or ("length" in archive.files and (archive["length"] < images.shape[2]).any()):
            raise SeqgenError(f"{path} holds images that are not finished; stream them again")
        scaled, reading = _scaled(path, images, maximum, expected)
        reading = {"range": f"0 to {maximum:g}, the levels in the file"}
    else:
        scaled, reading = _scaled(path, _planes(path, images, colours, expected), maximum, expected)
    labels = next((archive[name] for name in _LABELS if name in archive.files), None)
    if labels is None:
        _warn_of_other_labels(path, archive, len(scaled))
    return ImageSet(
        scaled, None if labels is None else checked_labels(path, labels, len(scaled)), None, reading
    )


def _warn_of_other_labels(path: Path, archive: Any, count: int) -> None:
    """Warn of an array that may be labels of another name."""
    for name in archive.files:
        if name not in _STREAMED and archive[name].shape[:1] == (count,) and archive[name].ndim == 1:
            warnings.warn(
                f"{path} holds {name} {archive[name].shape}, which is not read; labels must be called "
                f"{' or '.join(_LABELS)}",
                SeqgenWarning,
                stacklevel=4,
            )


def _planes(path: Path, array: np.ndarray, colours: int | None, expected: Expected | None) -> np.ndarray:
    """Return images (N, C, H, W) of any layout."""
    if not array.size:
        raise SeqgenError(f"{path} holds an array {array.shape}, without images")
    shape = None if expected is None else expected.shape
    if shape is not None and array.ndim in (3, 4) and array.shape[-3:] == shape:
        return array.reshape(-1, *shape)
    if array.ndim == 3:
        return array[:, None]
    if array.ndim != 4:
        raise SeqgenError(
            f"{path} must hold images of the shape (N, H, W), (N, C, H, W) or (N, H, W, C), got {array.shape}"
        )
    return _colours_first(path, array, colours)


def _colours_first(path: Path, array: np.ndarray, colours: int | None) -> np.ndarray:
    first, last = array.shape[1], array.shape[3]
    fitting = [(first in wanted, last in wanted) for wanted in ((1, 3), (colours,))]
    # the colours to convert to tell the layout only where the shape does not
    usual = next((each for each in fitting if each[0] != each[1]), None)
    if usual is None:
        raise SeqgenError(
            f"{path} holds an array {array.shape}, in which it is not clear where the colours are: one of the second "
            "and the last axis must be 1 or 3; give colours= (seqgen train: --set colours=), or another shape"
        )
    return array if usual[0] else array.transpose(0, 3, 1, 2)


def _scaled(
    path: Path, planes: np.ndarray, maximum: float | None, expected: Expected | None
) -> tuple[np.ndarray, dict[str, str]]:
    """Return intensities, and the description of their range in the file."""
    try:
        known = range_of(planes, maximum, expected)
        return scale(planes, known), {"range": known.words}
    except (TypeError, ValueError) as error:
        raise SeqgenError(f"{path}: {error}") from None


def checked_labels(path: Path, labels: np.ndarray, count: int) -> np.ndarray:
    """Return class numbers (count,) int64, or raise SeqgenError."""
    if labels.dtype.kind not in "iu" or labels.shape != (count,) or labels.min() < 0:
        raise SeqgenError(
            f"{path} must have one label, a number from 0 up, for each of the {count} images, "
            f"got {labels.dtype} {labels.shape}"
        )
    return labels.astype(np.int64)
