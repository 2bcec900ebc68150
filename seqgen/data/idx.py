"""Read IDX files, the format of MNIST and Fashion-MNIST (big-endian header, then bytes), plain or .gz."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seqgen.data.image_set import ImageSet
from seqgen.errors import SeqgenError

_TYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 24


def is_idx(path: Path) -> bool:
    """Return whether a file begins like an IDX file, or is compressed."""
    with path.open("rb") as file:
        start = file.read(4)
    return start[:2] == _GZIP or (len(start) == 4 and start[:2] == b"\0\0" and start[2] in _TYPES)


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the array of an IDX file of bytes, uint8 and read-only; an uncompressed file is memory-mapped.

    Raises:
        SeqgenError: if the file is missing, is not an IDX file of unsigned bytes, or does not have the size given in
            its header.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP
        if compressed:
            with gzip.open(path, "rb") as stream:
                return _compressed(path, stream)  # type: ignore[arg-type]
        with path.open("rb") as file:
            shape, start = _header(path, file)
        count = math.prod(shape)
        _require_size(path, shape, path.stat().st_size - start)
        if not count:
            return np.zeros(shape, np.uint8)
        return np.asarray(np.memmap(path, np.uint8, "r", start, shape))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SeqgenError(f"{path} is not a complete .gz file: {error}") from None
    except OSError as error:
        raise SeqgenError(f"cannot read {path}: {error.strerror or error}") from None


def _compressed(path: Path, stream: BinaryIO) -> np.ndarray:
    shape, _ = _header(path, stream)
    count = math.prod(shape)
    # read block by block, because a wrong count may exceed the memory; read one byte more than announced, so that a
    # longer file is detected without unpacking it
    data = bytearray()
    while len(data) <= count and (block := stream.read(min(_BLOCK, count + 1 - len(data)))):
        data += block
    _require_size(path, shape, len(data))
    array = np.frombuffer(data, np.uint8).reshape(shape)
    array.flags.writeable = False
    return array


def _header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], int]:
    """Return the shape in the header and the offset of the data."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise SeqgenError(
            f"{path} is not an IDX file: it begins with {magic.hex(' ') or 'nothing'}, not with 00 00 08"
        )
    if magic[2] != 8:
        raise SeqgenError(f"{path} holds {_TYPES[magic[2]]}; images and labels must be uint8 (00 00 08)")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise SeqgenError(f"{path} is truncated: it ends within its header")
    return tuple(np.frombuffer(sizes, ">u4").tolist()), 4 + len(sizes)


def _require_size(path: Path, shape: tuple[int, ...], given: int) -> None:
    wanted = math.prod(shape)
    if given < wanted:
        raise SeqgenError(f"{path} is truncated: its header says {shape}, {wanted} bytes, but {given} follow")
    if given > wanted:
        raise SeqgenError(f"{path} is damaged: its header says {shape}, {wanted} bytes, but more follow")


def read_idx_images(path: Path) -> ImageSet:
    """Read the images of one file, with the labels of the corresponding file in its folder, if any."""
    images = read_idx(path)
    if images.ndim != 3 or not images.size:
        raise SeqgenError(f"{path} must hold images (number, rows, columns), got an array {images.shape}")
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    labels = read_idx(beside) if beside != path and beside.is_file() else None
    return _together(path, images, labels)


def read_idx_pair(folder: Path, part: str) -> ImageSet:
    """Read the images and labels of "train" or "t10k" in a folder with the layout of MNIST."""
    return _together(
        folder, read_idx(_only(folder, f"{part}-images*")), read_idx(_only(folder, f"{part}-labels*"))
    )


def idx_parts(folder: Path) -> list[str]:
    """Return for which of "train" and "t10k" a folder has images."""
    return [part for part in ("train", "t10k") if any(folder.glob(f"{part}-images*"))]


def _together(where: Path, images: np.ndarray, labels: np.ndarray | None) -> ImageSet:
    if images.ndim != 3 or (labels is not None and labels.shape != images.shape[:1]):
        given = "none" if labels is None else labels.shape
        raise SeqgenError(
            f"{where} has images {images.shape} and labels {given}, which do not belong together"
        )
    return ImageSet(images[:, None], None if labels is None else labels.astype(np.int64))


def _only(folder: Path, pattern: str) -> Path:
    # a folder may have both a file and its unpacked copy; the unpacked one sorts first and is memory-mapped
    found = sorted(folder.glob(pattern))
    if not found:
        raise SeqgenError(f"{folder} has no file {pattern}")
    return found[0]
