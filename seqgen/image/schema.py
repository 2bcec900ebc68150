"""Schema parts shared by image families: codec, conditions, and the state of `PixelEngine`.

Legend: B lanes, N rows per chunk, C colours, H rows, W columns, L levels, F channels, K features of the condition, D =
C·H·W dimensions, m bottleneck.
"""

from __future__ import annotations

import math
from typing import Any

from seqgen.checks import multiple
from seqgen.codecs import Codec, Pixels
from seqgen.conditions.image import Conditions
from seqgen.engines.lane_controls import control_fields
from seqgen.schema import Field, Fields, ImageShape, Integer, affine, described, log_probs

CODECS = ("pixels",)

CONDITION = {
    "classes": Integer(optional=True, default=None),
    "condition_size": Integer(optional=True, default=None),
}
"""Configuration entries of families that are conditioned on a class or a vector."""

GUIDE = {"guide": ImageShape(optional=True, default=None)}
"""Configuration entry of families that are also conditioned on a guide image."""


def pixels_of(codec: Codec) -> Pixels:
    """Return the codec of an image family, which its `Configuration` has checked to be `Pixels`."""
    assert isinstance(codec, Pixels)
    return codec


def image_sizes(codec: Pixels, given: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a configuration and the image sizes, for `described`."""
    colours, rows, columns = codec.shape
    return {**given, "colours": colours, "rows": rows, "columns": columns, "levels": codec.levels}


def require_dimensions(codec: Codec, given: dict[str, Any]) -> None:
    """Raise ValueError unless the images have `dimensions` = pixels times colours (families over vectors)."""
    shape = pixels_of(codec).shape
    if math.prod(shape) != given["dimensions"]:
        raise ValueError(
            f"shape must have as many pixels times colours as there are dimensions, {given['dimensions']}, got {shape}"
        )


def require_groups(codec: Codec, given: dict[str, Any]) -> None:
    """Raise ValueError unless the channels can be divided into equal groups, one per colour (masked convolutions)."""
    for name in ("channels", "head_channels"):
        multiple(name, given[name], pixels_of(codec).shape[0])


def conditions_of(codec: Codec, given: dict[str, Any]) -> Conditions:
    """Return the conditions of a model, or raise ValueError if its guide does not fit."""
    return Conditions.checked(pixels_of(codec), given["classes"], given["condition_size"], given.get("guide"))


# ---- states and output ----------------------------------------------------------------------------------


def image_state(codec: Pixels) -> Fields:
    """Yield the state of a `PixelEngine`."""
    yield "image", Field(("B", *codec.shape), ("uint8",), below=codec.levels)
    yield "known", Field(("B", *codec.shape), ("bool",))
    yield "row", Field(("B",), ("int64",), low=0, high=codec.shape[1])
    yield "index", Field(("B",), ("uint64",))
    yield from control_fields(codec.levels)


def condition_state(conditions: Conditions) -> Fields:
    """Yield the condition of every lane."""
    yield "features", Field(("B", conditions.features), ("float32",))
    yield "guide", Field(("B", *(conditions.guide or (0, 0, 0))), ("uint8",), below=conditions.levels)


def image_output(codec: Pixels) -> dict[str, Field]:
    """Return the output of image engines: rows of levels."""
    colours, _, columns = codec.shape
    symbols = Field(("N", colours, columns), ("uint8",), below=codec.levels)
    return {"symbols": symbols, **log_probs("N", colours, columns)}


# ---- the halves of auto-encoders ------------------------------------------------------------------------


def encoder_arrays(codec: Pixels, channels: int, bottleneck: int) -> Fields:
    """Yield the arrays of `seqgen.image.coder.ImageEncoder`."""
    sizes = image_sizes(codec, {"channels": channels, "bottleneck": bottleneck})
    by = described(sizes, "colours", "channels")
    for number, (outputs, inputs) in enumerate(((1, codec.shape[0]), (2, channels), (2, 2 * channels))):
        yield from affine(f"convolutions.{number}", outputs * channels, inputs, 3, 3, by=by)
    left = _left(codec)
    yield from affine(
        "code",
        bottleneck,
        2 * channels * left,
        by=described(sizes, "rows", "columns", "channels", "bottleneck"),
    )


def decoder_arrays(codec: Pixels, channels: int, bottleneck: int) -> Fields:
    """Yield the arrays of `seqgen.image.coder.ImageDecoder`."""
    sizes = image_sizes(codec, {"channels": channels, "bottleneck": bottleneck})
    by, left = described(sizes, "colours", "channels"), _left(codec)
    yield from affine(
        "code",
        2 * channels * left,
        bottleneck,
        by=described(sizes, "rows", "columns", "channels", "bottleneck"),
    )
    for number, outputs in enumerate((2 * channels, channels)):
        yield from affine(f"deconvolutions.{number}", 2 * channels, outputs, 3, 3, by=by, bias=outputs)
    yield from affine("output", codec.shape[0], channels, 3, 3, by=by)


def _left(codec: Pixels) -> int:
    """Return the number of positions after two strides of 2."""
    return math.prod(-(-size // 4) for size in codec.shape[1:])
