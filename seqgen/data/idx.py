"""Read IDX files, the format of MNIST and Fashion-MNIST (big-endian header, then numbers), plain or .gz.

The labels of images are in the file beside them whose name has "labels" in place of "images".
"""

from __future__ import annotations

import gzip
import math
import os
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from seqgen.data.image_set import ImageSet
from seqgen.data.levels import scale
from seqgen.data.ranges import Expected, range_of
from seqgen.errors import SeqgenError, SeqgenWarning

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_QMNIST_COLUMNS = 8  # of QMNIST's labels; the first is the class
_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 24


def is_idx(path: Path) -> bool:
    """Return whether a file begins like an IDX file, or is compressed."""
    with path.open("rb") as file:
        start = file.read(4)
    return start[:2] == _GZIP or (len(start) == 4 and start[:2] == b"\0\0" and start[2] in _TYPES)


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the array of an IDX file, read-only; an uncompressed file of bytes is memory-mapped.

    Raises:
        SeqgenError: if the file is missing, is not an IDX file, or does not have the size given in its header.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP
        if compressed:
            with gzip.open(path, "rb") as stream:
                return _compressed(path, stream)  # type: ignore[arg-type]
        with path.open("rb") as file:
            kind, shape, start = _header(path, file)
        _require_size(path, kind, shape, path.stat().st_size - start)
        if not math.prod(shape):
            return np.zeros(shape, kind.newbyteorder("="))
        mapped = np.asarray(np.memmap(path, kind, "r", start, shape))
        return _native(mapped)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SeqgenError(f"{path} is not a complete .gz file: {error}") from None
    except OSError as error:
        raise SeqgenError(f"cannot read {path}: {error.strerror or error}") from None


def _native(array: np.ndarray) -> np.ndarray:
    """Return the array in the byte order of the machine, read-only."""
    result = array.astype(array.dtype.newbyteorder("="), copy=False)
    result.flags.writeable = False
    return result


def _compressed(path: Path, stream: BinaryIO) -> np.ndarray:
    kind, shape, _ = _header(path, stream)
    count = math.prod(shape) * kind.itemsize
    # read block by block, because a wrong count may exceed the memory; read one byte more than announced, so that a
    # longer file is detected without unpacking it
    data = bytearray()
    while len(data) <= count and (block := stream.read(min(_BLOCK, count + 1 - len(data)))):
        data += block
    _require_size(path, kind, shape, len(data))
    return _native(np.frombuffer(data, kind).reshape(shape))


def _header(path: Path, file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return the type and the shape in the header, and the offset of the data."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise SeqgenError(
            f"{path} is not an IDX file: it begins with {magic.hex(' ') or 'nothing'}, not with 00 00 08"
        )
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise SeqgenError(f"{path} is truncated: it ends within its header")
    return np.dtype(_TYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").tolist()), 4 + len(sizes)


def _require_size(path: Path, kind: np.dtype[Any], shape: tuple[int, ...], given: int) -> None:
    wanted = math.prod(shape) * kind.itemsize
    if given < wanted:
        raise SeqgenError(f"{path} is truncated: its header says {shape}, {wanted} bytes, but {given} follow")
    if given > wanted:
        raise SeqgenError(f"{path} is damaged: its header says {shape}, {wanted} bytes, but more follow")


def read_idx_images(
    path: Path, *, maximum: float | None = None, expected: Expected | None = None
) -> ImageSet:
    """Read the images of one file, with the labels of the corresponding file in its folder, if any.

    Args:
        path: the file. maximum, expected: as in `seqgen.data.ranges.range_of`.
    """
    beside = _labels_beside(path)
    labels = None if beside is None else _read_labels(beside)
    return _scaled([_together(path, _read_pictures(path), labels)], maximum, expected)[0]


def read_idx_pair(folder: Path, part: str) -> ImageSet:
    """Read the images and labels of "train" or "t10k" in a folder with the layout of MNIST."""
    return read_idx_parts(folder, [part])[0]


def read_idx_parts(
    folder: Path, parts: list[str], *, maximum: float | None = None, expected: Expected | None = None
) -> list[ImageSet]:
    """Read several parts of a folder with the layout of MNIST, whose numbers have one range."""
    found = []
    for part in parts:
        images = _read_pictures(_only(folder, f"{part}-images*"))
        found.append(_together(folder, images, _read_labels(_only(folder, f"{part}-labels*"))))
    return _scaled(found, maximum, expected)


def idx_parts(folder: Path) -> list[str]:
    """Return for which of "train" and "t10k" a folder has images."""
    return [part for part in ("train", "t10k") if any(folder.glob(f"{part}-images*"))]


def _read_pictures(path: Path) -> np.ndarray:
    images = read_idx(path)
    if images.dtype != np.uint8:
        raise SeqgenError(f"{path} holds {images.dtype}; images must be uint8 (00 00 08)")
    if images.ndim != 3 or not images.size:
        raise SeqgenError(f"{path} must hold images (number, rows, columns), got an array {images.shape}")
    return images


def _labels_beside(path: Path) -> Path | None:
    """Return the file with the labels of an image file: of the same kind if there is one, else of any."""
    before, word, after = path.name.lower().partition("images")
    if not word:
        return None
    usual = f"{before}labels{after.replace('idx3', 'idx1')}"
    found = sorted(
        other
        for other in path.parent.iterdir()
        if other.name.lower().startswith(f"{before}labels") and other.is_file()
    )
    names = [other for other in found if is_idx(other)]
    if found and not names:
        warnings.warn(f"{found[0]} is not read, because it is no IDX file", SeqgenWarning, stacklevel=4)
    return min(names, key=lambda other: (other.name.lower() != usual, other.name), default=None)


def _read_labels(path: Path) -> np.ndarray | None:
    """Return class numbers (N,); None with a warning if the file has no single number per image."""
    labels = read_idx(path)
    if labels.ndim == 2 and labels.shape[1] == _QMNIST_COLUMNS and labels.dtype == np.int32:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        warnings.warn(
            f"the labels of {path} are not read: there must be one class number from 0 up for each image, the file "
            f"holds {labels.dtype} {labels.shape}",
            SeqgenWarning,
            stacklevel=3,
        )
        return None
    return labels


def _scaled(parts: list[ImageSet], maximum: float | None, expected: Expected | None) -> list[ImageSet]:
    """Convert the numbers of several parts, of one range, to intensities."""
    highest = np.array([part.images.max() for part in parts])
    if maximum is None and expected is None and highest.max() != 1:
        # the usual range of the format
        return parts
    try:
        known = range_of(highest, maximum, expected)
        return [
            replace(part, images=scale(part.images, known), reading={"range": known.words}) for part in parts
        ]
    except (TypeError, ValueError) as error:
        raise SeqgenError(f"the images of the IDX file: {error}") from None


def _together(where: Path, images: np.ndarray, labels: np.ndarray | None) -> ImageSet:
    if labels is not None and labels.shape != images.shape[:1]:
        raise SeqgenError(
            f"{where} has images {images.shape} and labels {labels.shape}, which do not belong together"
        )
    named = None if labels is None else labels.astype(np.int64)
    return ImageSet(images[:, None], named, reading={"range": "0 to 255"})


def _only(folder: Path, pattern: str) -> Path:
    # a folder may have both a file and its unpacked copy; the unpacked one sorts first and is memory-mapped
    found = sorted(folder.glob(pattern))
    if not found:
        raise SeqgenError(f"{folder} has no file {pattern}")
    return found[0]
