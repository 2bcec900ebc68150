"""Read image files (PNG, JPEG, BMP, … through Pillow): a single file, or a folder, with sub-folders as classes."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqgen import extras
from seqgen.data.enlarged import NOTE, Page
from seqgen.data.fitting import checked_size, fit_size
from seqgen.data.folders import list_files
from seqgen.data.image_set import ImageSet
from seqgen.errors import SeqgenError, SeqgenWarning, choice

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".pnm")
_PNM = re.compile(rb"P([56])\s+([1-9]\d{0,5})\s+([1-9]\d{0,5})\s+255\s")
_GROUNDS = {"black": (0, 0, 0, 255), "white": (255, 255, 255, 255)}
PNM = (".pgm", ".ppm", ".pnm")
_GREY, _WIDE = ("1", "L", "LA"), ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")


@dataclass(frozen=True)
class OpenedImage:
    """A picture file: intensities (C, H, W), whether pixels are transparent, and its layout if we have written it."""

    picture: np.ndarray
    transparent: bool
    page: Page | None


def read_image_file(
    path: str | os.PathLike[str],
    *,
    size: int | tuple[int, int] | None = None,
    colours: int | None = None,
    ground: str | None = None,
) -> np.ndarray:
    """Read an image as intensities (C, H, W) uint8; apply the EXIF orientation, and blend transparency with a ground.

    A PNG of a single image written by `seqgen stream`, whose pixels are squares, is read as the image.

    Args:
        path: the file; of an animation, the first frame.
        size: (rows, columns) to crop and resize to with `fit_size`; None keeps the size.
        colours: 1 for grey, 3 for RGB; None keeps those of the file.
        ground: "black" or "white", below transparent pixels; None is black.

    Raises:
        SeqgenError: if it is missing, not an image, truncated, or has more than 8 bits per colour.
        MissingPackageError: if Pillow is not installed.
    """
    return _only_image(path, open_image(path, colours=colours, ground=ground), size)


def _only_image(
    path: str | os.PathLike[str], opened: OpenedImage, size: int | tuple[int, int] | None
) -> np.ndarray:
    refuse_several(path, opened)
    image = opened.picture if opened.page is None else images_of_page(path, opened)[0]
    return np.ascontiguousarray(image) if size is None else fit_size(image, size)


def refuse_several(path: str | os.PathLike[str], opened: OpenedImage) -> None:
    """Raise SeqgenError if a file that we have written holds several images."""
    if opened.page is not None and len(opened.page.drawn) > 1:
        raise SeqgenError(
            f"{os.fspath(path)} is a page of {len(opened.page.drawn)} images; write one file each, with a name like "
            "image-{index}.png"
        )
    if Path(path).suffix.lower() in PNM and (count := len(pnm_images(Path(path)))) > 1:
        raise SeqgenError(f"{os.fspath(path)} holds {count} images; write one file each")


def images_of_page(path: str | os.PathLike[str], opened: OpenedImage) -> np.ndarray:
    """Return the images (N, C, H, W) of a page written by `seqgen stream`; raise SeqgenError if one is not finished."""
    page = opened.page
    assert page is not None
    if any(rows < page.height for rows in page.drawn):
        raise SeqgenError(f"{os.fspath(path)} holds images that are not finished; stream them again")
    return page.images(opened.picture)


def open_image(
    path: str | os.PathLike[str], *, colours: int | None = None, ground: str | None = None
) -> OpenedImage:
    """Read a picture file as it is; arguments and errors as in `read_image_file`."""
    if colours not in (None, 1, 3):
        raise ValueError(f"colours must be 1 (grey), 3 (RGB) or None (as the file has it), got {colours!r}")
    below = _GROUNDS[choice("ground", ground or "black", tuple(_GROUNDS))]
    path = Path(path)
    extras.load("pillow", f"reading {path.name}")
    from PIL import Image, ImageOps

    transparent = False
    try:
        with warnings.catch_warnings():
            # errors report problems with a file, so suppress Pillow's warnings
            warnings.simplefilter("ignore", UserWarning)
            # treat Pillow's warning about too many pixels as an error
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.mode in _WIDE:
                    raise SeqgenError(
                        f"{path} has more than 8 bits per pixel (mode {opened.mode}); convert it to 8 bits"
                    )
                page = Page.of_note(opened.info.get(NOTE), (opened.height, opened.width))
                picture = ImageOps.exif_transpose(opened)
                if colours is None:
                    colours = 1 if picture.mode in _GREY else 3
                if picture.has_transparency_data:
                    clear = picture.convert("RGBA")
                    transparent = bool(np.asarray(clear.getchannel("A")).min() < 255)
                    picture = Image.alpha_composite(Image.new("RGBA", clear.size, below), clear)
                array = np.asarray(picture.convert("L" if colours == 1 else "RGB"))
    except SeqgenError:
        raise
    except FileNotFoundError:
        raise SeqgenError(f"cannot read {path}: No such file or directory") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombWarning) as error:
        raise SeqgenError(f"{path} is not a complete image file: {error}") from None
    planes = array[None] if colours == 1 else array.transpose(2, 0, 1)
    return OpenedImage(planes, transparent, page)


def pnm_images(path: Path) -> list[np.ndarray]:
    """Return all images (C, H, W) of a file of "P5" or "P6" images with 8 bits, one after another; [] if it is another.

    Pillow reads only the first image of such a file.
    """
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        header = _PNM.match(data, at)
        if header is None:
            return []
        colours, width, height = (1 if header[1] == b"5" else 3), int(header[2]), int(header[3])
        at = header.end() + colours * width * height
        if at > len(data):
            return []
        pixels = np.frombuffer(data, np.uint8, at - header.end(), header.end())
        found.append(pixels.reshape(height, width, colours).transpose(2, 0, 1))
    return found


def described_ground(where: object, count: int, ground: str | None) -> dict[str, str]:
    """Return the card's entry about `count` images with transparent pixels, and warn if the ground was not chosen."""
    if not count:
        return {}
    images = f"{count} image{'s' if count > 1 else ''}"
    if ground is None:
        warnings.warn(
            f"{images} of {where} {'have' if count > 1 else 'has'} transparent pixels, which are read as black; choose "
            "with ground='white' or 'black' (seqgen train: --set ground=white; eval and stream: --ground white)",
            SeqgenWarning,
            stacklevel=3,
        )
    return {"ground": f"{ground or 'black'}, below the transparent pixels of {images}"}


def is_image_name(path: Path) -> bool:
    """Return whether a name is that of an image file and not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_image_folder(
    folder: Path,
    *,
    size: int | tuple[int, int] | None = None,
    colours: int | None = None,
    ground: str | None = None,
) -> ImageSet:
    """Read the images of a folder in the order of their names; `seqgen.data.folders` defines which.

    A warning lists what is left out. The class of an image is its sub-folder, if any; classes are sorted by name, or
    numerically if all names are numbers.

    Args:
        folder: images, or sub-folders of images. size, colours, ground: as in `read_image_file`.

    Raises:
        SeqgenError: if there is no image, or an image differs from the first in size or colours; the message names it.
    """
    if size is not None:
        size = checked_size(size)
    listing = list_files(folder, SUFFIXES)
    here = [file for file in listing.files if file.parent == folder]
    by_class: dict[str, list[Path]] = {}
    for file in listing.files:
        if file.parent != folder:
            by_class.setdefault(file.relative_to(folder).parts[0], []).append(file)
    inside = {name: by_class[name] for name in _by_name(list(by_class))}
    if here and inside:
        raise SeqgenError(
            f"{folder} has images of its own and in sub-folders ({', '.join(inside)}); "
            "put all of them into sub-folders, one per class, or none"
        )
    if not here and not inside:
        raise SeqgenError(
            f"{folder} has no images; supported are {', '.join(SUFFIXES)}, IDX and MNIST as JSON"
        )
    listing.warn(folder)
    files = here or [file for found in inside.values() for file in found]
    images, transparent = _read_all(files, size, colours, ground)
    reading = {"range": "0 to 255", **described_ground(folder, transparent, ground)}
    if here:
        return ImageSet(images, reading=reading)
    labels = np.repeat(np.arange(len(inside)), [len(found) for found in inside.values()])
    return ImageSet(images, labels.astype(np.int64), tuple(inside), reading)


def _by_name(classes: list[str]) -> list[str]:
    if all(name.isdecimal() for name in classes):
        return sorted(classes, key=lambda name: (int(name), name))
    return sorted(classes)


def _read_all(
    files: list[Path], size: tuple[int, int] | None, colours: int | None, ground: str | None
) -> tuple[np.ndarray, int]:
    """Read the images of files (N, C, H, W), all of the size and colours of the first, and count those with
    transparent pixels."""
    images = first = np.zeros((1, 1, 1), np.uint8)
    transparent = 0
    for number, file in enumerate(files):
        opened = open_image(file, colours=colours, ground=ground)
        transparent += opened.transparent
        image = _only_image(file, opened, size)
        if not number:
            first, images = image, np.empty((len(files), *image.shape), np.uint8)
        if image.shape[1:] != first.shape[1:]:
            raise SeqgenError(
                f"{file} is {image.shape[2]} wide and {image.shape[1]} high, but {files[0]} is {first.shape[2]} wide "
                f"and {first.shape[1]} high; give size=(rows, columns) to crop and resize all (seqgen train: --set "
                "size=28x28, eval: --fit)"
            )
        if image.shape != first.shape:
            raise SeqgenError(
                f"{file} has {image.shape[0]} colours, but {files[0]} has {first.shape[0]}; "
                "give colours=1 or colours=3 to convert all (seqgen train: --set colours=1, eval: --fit)"
            )
        images[number] = image
    return images, transparent
