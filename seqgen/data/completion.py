"""Prompts of image models: an image with known pixels, and -1 for each pixel to generate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.codecs.pixels import UNKNOWN, Pixels
from seqgen.data.enlarged import shrunk
from seqgen.data.fitting import fit_size
from seqgen.data.image_arrays import is_array, read_array, read_partial_image
from seqgen.data.image_files import OpenedImage, described_ground, open_image, refuse_several
from seqgen.data.levels import to_levels
from seqgen.data.reading import Reading
from seqgen.errors import SeqgenError, integer


def keep_known(image: Any, codec: Pixels, *, keep_rows: int | None = None, mask: Any = None) -> np.ndarray:
    """Return the levels of the known pixels of an image, and -1 elsewhere: (C, H, W) int16, for `prompt=`.

    Args:
        image: levels, in any shape that `codec.images` accepts.
        codec: that of the model.
        keep_rows: number of known rows from the top.
        mask: (H, W) or (C, H, W), true for known pixels; with `keep_rows`, a pixel must be known by both.

    Raises:
        ValueError: if neither is given, or sizes differ.

    Example:
        >>> keep_known([[1, 0], [1, 1]], Pixels((1, 2, 2)), keep_rows=1).tolist()
        [[[1, 0], [-1, -1]]]
    """
    if keep_rows is None and mask is None:
        raise ValueError("keep_rows or mask must be given, to select the known pixels")
    return _keep(codec.encode(image).transpose(1, 0, 2).astype(np.int16), codec, keep_rows, mask)


def _keep(levels: np.ndarray, codec: Pixels, keep_rows: int | None, mask: Any) -> np.ndarray:
    """Replace levels (C, H, W) that are not to be kept by -1."""
    known = np.ones(codec.shape, bool)
    if keep_rows is not None:
        known[:, integer("keep_rows", keep_rows, low=0, high=codec.shape[1]) :] = False
    if mask is not None:
        given = np.asarray(mask)
        if given.shape not in (codec.shape, codec.shape[1:]):
            raise ValueError(
                f"mask must have the shape {codec.shape[1:]} or {codec.shape}, got {given.shape}"
            )
        known &= given.astype(bool)
    return np.where(known, levels, UNKNOWN).astype(np.int16)


def read_prompt(
    path: str | os.PathLike[str],
    codec: Pixels,
    *,
    keep_rows: int | None = None,
    mask: str | os.PathLike[str] | None = None,
    maximum: float | None = None,
    ground: str | None = None,
    fit: bool = False,
    trained: Reading | None = None,
) -> np.ndarray:
    """Read a prompt (C, H, W) from a file, with intensities rounded to the nearest levels of the model.

    Args:
        path: an image file of the model's size or an exact integer enlargement, as `seqgen stream -o x.png` writes it;
            it is converted to the model's colours. Or a .npy or .npz file of one image, in which -1 is an unknown
            pixel. Rows that were not drawn when a stream ended are unknown.
        codec: that of the model. keep_rows: as in `keep_known`; without it and `mask`, unknown pixels are needed.
        mask: a file of the same size, bright (128 or more of 255, or true) for known pixels.
        maximum, ground: as in `read_images`.
        fit: crop and resize an image file to the model's size.
        trained: how the images of the training were read; those of another size are fitted if it has a size.

    Raises:
        SeqgenError: if a file is not a complete image or has another size.
    """
    image = _read(path, codec, maximum, ground, fit, trained or Reading())
    if keep_rows is None and mask is None and (image != UNKNOWN).all():
        raise ValueError(
            "keep_rows or mask must be given, to select the known pixels (--keep-rows or --mask); or an array with -1 "
            "where they are unknown"
        )
    return _keep(image, codec, keep_rows, None if mask is None else _read_mask(mask, codec))


def read_levels(path: str | os.PathLike[str], codec: Pixels, **options: Any) -> np.ndarray:
    """Read an image or array file as levels (C, H, W) of a codec, whose size it must have.

    Args:
        path: the file. codec: of these images. options: `maximum`, `ground` and `fit` of `read_prompt`.
    """
    chosen: dict[str, Any] = {"maximum": None, "ground": None, "fit": False, **options}
    image = _read(path, codec, chosen["maximum"], chosen["ground"], chosen["fit"], Reading())
    if (image == UNKNOWN).any():
        raise SeqgenError(f"{os.fspath(path)} has unknown pixels")
    return image.astype(np.uint8)


def _read(
    path: str | os.PathLike[str],
    codec: Pixels,
    maximum: float | None,
    ground: str | None,
    fit: bool,
    trained: Reading,
) -> np.ndarray:
    """Read levels (C, H, W) int16, with -1 for unknown pixels."""
    if is_array(Path(path)):
        return read_partial_image(Path(path), codec, maximum=maximum, trained=trained.maximum)
    if maximum is not None:
        raise ValueError(
            f"maximum is for .npy and .npz arrays; the range of {os.fspath(path)} is 0 to 255, got {maximum!r}"
        )
    below = ground or trained.ground
    opened = _opened(path, codec.shape[0], below)
    described_ground(os.fspath(path), int(opened.transparent), below)
    image = _of_size(opened, codec)
    if image is None and (fit or trained.size is not None):
        image = fit_size(opened.picture, (codec.shape[1], codec.shape[2]))
    if image is None:
        raise _other_size(path, opened.picture, codec)
    levels = to_levels(image, codec.levels).astype(np.int16)
    if opened.page is not None:
        levels[:, opened.page.drawn[0] :] = UNKNOWN
    return levels


def _read_mask(path: str | os.PathLike[str], codec: Pixels) -> np.ndarray:
    """Read a mask, true for known pixels: (H, W), or (C, H, W) from an array."""
    if is_array(Path(path)):
        array = read_array(Path(path))
        highest = array.max(initial=0)
        return np.asarray(array >= (128 if highest > 1 else 1))
    opened = _opened(path, 1, None)
    image = _of_size(opened, codec)
    if image is None:
        raise _other_size(path, opened.picture, codec)
    if 0 < image.max() < 128:
        raise SeqgenError(
            f"{os.fspath(path)} has no bright pixel, the brightest is {image.max()} of 255; known pixels must be "
            "white, 128 or more"
        )
    return image[0] >= 128


def _opened(path: str | os.PathLike[str], colours: int, ground: str | None) -> OpenedImage:
    if colours not in (1, 3):
        raise SeqgenError(
            f"images of {colours} colours cannot be read from an image file; give the prompt as an array or .npy file"
        )
    opened = open_image(path, colours=colours, ground=ground)
    refuse_several(path, opened)
    return opened


def _of_size(opened: OpenedImage, codec: Pixels) -> np.ndarray | None:
    """Return the image of the model's size of which the picture is an enlargement, or None."""
    size = codec.shape[1], codec.shape[2]
    if opened.page is not None and (opened.page.height, opened.page.width) == size:
        return opened.page.images(opened.picture)[0]
    return shrunk(opened.picture, size)


def _other_size(path: str | os.PathLike[str], picture: np.ndarray, codec: Pixels) -> SeqgenError:
    rows, columns = codec.shape[1:]
    return SeqgenError(
        f"{os.fspath(path)} is {picture.shape[2]} wide and {picture.shape[1]} high, the model's images are {columns} "
        f"wide and {rows} high; --fit (fit=True), or seqgen.data.images.fit_size, crops and resizes"
    )
