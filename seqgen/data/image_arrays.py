"""Read images from .npy and .npz files."""

from __future__ import annotations

import contextlib
import math
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.codecs.pixels import UNKNOWN, Pixels
from seqgen.data.image_set import ImageSet
from seqgen.data.levels import scale, to_levels
from seqgen.data.ranges import Expected, range_of
from seqgen.errors import SeqgenError, SeqgenWarning

_IMAGES, _LABELS = ("images", "x", "data"), ("labels", "y")
_NUMPY, _ZIP = b"\x93NUMPY", b"PK"  # beginnings of .npy and .npz files
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
    with _opened(path) as found:
        if isinstance(found, np.ndarray):
            images, reading = _scaled(path, _planes(path, found, colours, expected), maximum, expected)
            return ImageSet(images, reading=reading)
        return _from_archive(path, found, colours, maximum, expected)


def read_partial_image(
    path: Path, codec: Pixels, *, maximum: float | None, trained: float | None
) -> np.ndarray:
    """Read one image as levels (C, H, W) int16, with -1 for unknown pixels: those that are negative, and rows of an
    archive of `seqgen stream` that were not drawn.

    Args:
        path: .npy or .npz. codec: that of the model, whose shape the image has.
        maximum: the number of full intensity; None is decided by `seqgen.data.ranges.range_of`.
        trained: that of the training.

    Raises:
        SeqgenError: as `read_image_arrays`, or if it is not one image of the size of the model.
    """
    expected = Expected(codec.levels, codec.shape, trained, samples=True)
    with _opened(path) as found:
        drawn = None
        if not isinstance(found, np.ndarray):
            array = found[_name_of_images(path, found)]
            if "levels" in found.files:
                maximum = int(found["levels"]) - 1 if maximum is None else maximum
                drawn = found["length"] if "length" in found.files else None
        else:
            array = found
        whole = array[None] if array.ndim in (1, 2) and array.shape != (1, math.prod(codec.shape)) else array
        if whole.ndim == 3 and whole.shape[-1] == codec.shape[0] and whole.shape[:2] == codec.shape[1:]:
            whole = whole[None]
        planes = _planes(path, whole, None, expected)
        if len(planes) != 1:
            raise SeqgenError(f"{path} holds {len(planes)} images; save the one that is to be completed")
        if planes.shape[1:] != codec.shape:
            raise SeqgenError(
                f"{path} has an image {planes.shape[1:]} (colours, rows, columns), those of the model are {codec.shape}"
            )
        image = np.array(planes[0])
    known = image >= 0 if image.dtype.kind in "if" else np.ones(image.shape, bool)
    if image.dtype.kind == "f":
        known = ~np.isnan(image) & known
    if drawn is not None:
        known[:, int(drawn[0]) :] = False
    if not known.any():
        return np.full(codec.shape, UNKNOWN, np.int16)
    filled = np.where(known, image, np.zeros((), image.dtype))
    if maximum is None and image.dtype.kind == "i" and image.min() == UNKNOWN and image.max() < codec.levels:
        # only levels have -1 beside them
        maximum = codec.levels - 1
    try:
        full = range_of(filled, maximum, expected).maximum
        levels = to_levels(filled, codec.levels, maximum=full).astype(np.int16)
        return np.where(known, levels, np.int16(UNKNOWN))
    except (TypeError, ValueError) as error:
        raise SeqgenError(f"{path}: {error}") from None


def read_array(path: Path) -> np.ndarray:
    """Read the array of a .npy file, or the images of an archive, as it is."""
    with _opened(path) as found:
        return np.array(found if isinstance(found, np.ndarray) else found[_name_of_images(path, found)])


def is_array(path: Path) -> bool:
    """Return whether a file is .npy or .npz by its name, or by its contents if its name has no suffix."""
    if path.suffix:
        return path.suffix.lower() in (".npy", ".npz")
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(_NUMPY)).startswith((_NUMPY, _ZIP))
    return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an array, memory-mapped, or an archive, and name the file in errors."""
    try:
        with path.open("rb") as file:
            archived = file.read(len(_ZIP)) == _ZIP
        if not archived:
            yield np.load(path, mmap_mode="r", allow_pickle=False)
            return
        # numpy does not close the file of a damaged archive if it opened the file itself
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            yield archive
    except OSError as error:
        raise SeqgenError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise SeqgenError(f"{path} is not a complete {path.suffix} file of numbers: {error}") from None


def _name_of_images(path: Path, archive: Any) -> str:
    names = [name for name in _IMAGES if name in archive.files]
    if not names:
        raise SeqgenError(
            f"{path} holds {', '.join(archive.files) or 'nothing'}; images must be called {' or '.join(_IMAGES)}"
        )
    return names[0]


def _from_archive(
    path: Path, archive: Any, colours: int | None, maximum: float | None, expected: Expected | None
) -> ImageSet:
    images = archive[_name_of_images(path, archive)]
    if "levels" in archive.files:
        maximum = int(archive["levels"]) - 1 if maximum is None else maximum
        if images.ndim != 4 or ("length" in archive.files and (archive["length"] < images.shape[2]).any()):
            raise SeqgenError(f"{path} holds images that are not finished; stream them again")
        scaled, reading = _scaled(path, images, maximum, expected)
        reading = {"range": f"0 to {maximum:g}, the levels in the file"}
    else:
        scaled, reading = _scaled(path, _planes(path, images, colours, expected), maximum, expected)
    labels = next((archive[name] for name in _LABELS if name in archive.files), None)
    if labels is None and "levels" not in archive.files:
        _warn_of_other_labels(path, archive, len(scaled))
    return ImageSet(
        scaled, None if labels is None else checked_labels(path, labels, len(scaled)), None, reading
    )


def _warn_of_other_labels(path: Path, archive: Any, count: int) -> None:
    """Warn of an array that may be labels of another name."""
    for name in archive.files:
        if (
            name not in (*_STREAMED, *_IMAGES)
            and archive[name].shape[:1] == (count,)
            and archive[name].ndim <= 2
        ):
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
    if shape is not None and array.ndim == 2 and array.shape[1] == math.prod(shape):
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
            "and the last axis must be 1 or 3; give "
            + ("colours= (seqgen train: --set colours=)" if {first, last} == {1, 3} else "an array (N, H, W)")
            + ", or another shape"
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
