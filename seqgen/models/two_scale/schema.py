"""The schema of a two-scale model, composed of those of two PixelCNNs.

Legend: B lanes, C colours, H × W the large image, h × w the small one, K features of the condition.
"""

from __future__ import annotations

from typing import Any

from seqgen.codecs import Codec, Pixels
from seqgen.conditions.image import Conditions
from seqgen.errors import SeqgenError
from seqgen.image.schema import CODECS, image_output, image_state, pixels_of
from seqgen.models.pixel_cnn import pixel_cnn_schema
from seqgen.schema import Configuration, Field, Fields, Part, Schema, part_schema, prefixed


def require_fitting(small: tuple[Pixels, Conditions], large: tuple[Pixels, Conditions]) -> None:
    """Raise ValueError unless two PixelCNNs, given by their codecs and conditions, form a two-scale model."""
    (coarse, few), (fine, many) = small, large
    if few.guide is not None:
        raise ValueError(f"small must not have a guide, got one of {few.guide}")
    if many.guide != coarse.shape:
        raise ValueError(f"large must have the small images as guide: guide={coarse.shape}, got {many.guide}")
    if coarse.shape[0] != fine.shape[0] or coarse.levels != fine.levels:
        raise ValueError(
            f"small and large must have the same colours and levels, got {coarse.shape[0]} colours of "
            f"{coarse.levels} levels and {fine.shape[0]} of {fine.levels}"
        )
    if (few.classes, few.vector) != (many.classes, many.vector):
        raise ValueError(
            "small and large must have the same classes and condition_size, got "
            f"{few.classes} and {few.vector} for small, {many.classes} and {many.vector} for large"
        )


def _rule(codec: Codec, given: dict[str, Any]) -> None:
    if given["large"].get("codec") != codec.config():
        raise ValueError("large must have the codec of the model")


CONFIGURATION = Configuration("two-scale", CODECS, {"small": Part(), "large": Part()}, _rule)


def schema(config: Any) -> Schema:
    """Return the schema of a `TwoScale` model."""
    codec, given = CONFIGURATION.read(config)
    parts = {name: part_schema(name, pixel_cnn_schema, given[name]) for name in ("small", "large")}
    pixels, coarse = pixels_of(codec), pixels_of(parts["small"].codec)
    few, many = (Conditions.from_config(given[name]) for name in parts)
    try:
        require_fitting((coarse, few), (pixels, many))
    except ValueError as error:
        raise SeqgenError(f"the configuration is wrong: {error}") from None
    colours, rows, columns = coarse.shape

    def arrays() -> Fields:
        for name, part in parts.items():
            yield from prefixed(f"{name}.", part.arrays[0]())

    def state(engine: str, log_probs: bool) -> Fields:
        yield from image_state(pixels)
        yield "features", Field(("B", few.features), ("float32",))
        yield "guided", Field(("B",), ("bool",))
        kept = 2 if log_probs else 0
        yield "small_log_probs", Field(("B", kept, rows, colours, columns), ("float64",), finite=False)
        for name, part in parts.items():
            assert part.state is not None
            yield from prefixed(f"{name}.", part.state(engine, log_probs))

    workspace = sum(part.workspace for part in parts.values())
    return Schema("two-scale", codec, (arrays,), state, image_output(pixels), workspace=workspace)
