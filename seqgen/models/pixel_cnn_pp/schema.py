"""The schema of a PixelCNN++.

Legend: B lanes, C colours, W columns, F channels, K features of the condition.
"""

from __future__ import annotations

from typing import Any

from seqgen.codecs import Codec
from seqgen.image.schema import (
    CODECS,
    CONDITION,
    conditions_of,
    image_output,
    image_sizes,
    image_state,
    pixels_of,
)
from seqgen.models.pixel_cnn_pp.plan import VERTICAL, Layer, groups, places, walk
from seqgen.schema import FLOATS, Configuration, Field, Fields, Integer, Real, Schema, affine, described


def _rule(codec: Codec, given: dict[str, Any]) -> None:
    conditions_of(codec, given)


CONFIGURATION = Configuration(
    "pixel-cnn-pp",
    CODECS,
    {
        "channels": Integer(),
        "blocks": Integer(most=1 << 16),
        "scales": Integer(most=32),
        **CONDITION,
        "mixtures": Integer(),
        "dropout": Real(low=0.0, below=1.0),
    },
    _rule,
)


def schema(config: Any) -> Schema:
    """Return the schema of a `PixelCNNpp`."""
    codec, given = CONFIGURATION.read(config)
    pixels, conditions, width = pixels_of(codec), conditions_of(codec, given), given["channels"]
    colours, _, columns = pixels.shape

    def arrays() -> Fields:
        sizes = image_sizes(pixels, given)
        by, ends_by = described(sizes, "channels"), described(sizes, "colours", "channels", "mixtures")
        for k, layer in enumerate(walk(given["blocks"], given["scales"])):
            name, taps = f"layers.{k}.", 3 if layer.stream == VERTICAL else 2
            if layer.kind == "input" and layer.stream == VERTICAL:
                yield from affine(f"{name}conv", width, colours + 1, 2, 3, by=ends_by)
            elif layer.kind == "input":
                yield from affine(f"{name}above", width, colours + 1, 1, 3, by=ends_by)
                yield f"{name}left.weight", Field((width, colours + 1, 1, 1), by=ends_by)
            elif layer.kind in ("down", "up"):
                kernel = (2, taps) if layer.kind == "down" else (2, 2)
                yield from affine(name[:-1], width, width, *kernel, by=by)
            else:
                yield from affine(f"{name}first", width, 2 * width, 2, taps, by=by)
                if layer.shortcuts:
                    joined = 2 * width * len(layer.shortcuts)
                    yield f"{name}shortcut.weight", Field((width, joined, 1, 1), by=by)
                yield from affine(f"{name}second", 2 * width, 2 * width, 2, taps, by=by)
                if conditions.features:
                    classes = described(sizes, "classes", "condition_size", "channels")
                    yield f"{name}condition.weight", Field((2 * width, conditions.features), by=classes)
        yield from affine("head", groups(colours) * given["mixtures"], width, 1, 1, by=ends_by)

    def state(engine: str, log_probs: bool) -> Fields:
        yield from image_state(pixels)
        plan = list(walk(given["blocks"], given["scales"]))
        if engine == "numba":
            blocks = sum(layer.kind == "block" for layer in plan)
            yield (
                "kept",
                Field(("B", sum(kept_numbers(layer, width, columns) for layer in plan)), ("float32",)),
            )
            yield "shifts", Field(("B", blocks * 2 * width), ("float32",))
            if log_probs:
                kept = sum(kept_numbers(layer, width, columns) for layer in plan)
                yield "scored", Field(("B", kept), ("float64",))
                yield "scored_shifts", Field(("B", blocks * 2 * width), ("float64",))
            return
        yield "features", Field(("B", conditions.features), ("float32",))
        for k, layer in enumerate(plan):
            here = places(columns, layer.scale)
            if layer.kind == "block":
                yield f"{k}.first", Field(("B", 2 * width, 1, here), FLOATS)
                yield f"{k}.second", Field(("B", 2 * width, 1, here), FLOATS)
            elif layer.kind == "down":
                yield f"{k}.down", Field(("B", width, 1, places(columns, layer.scale - 1)), FLOATS)
            elif layer.kind == "up":
                yield f"{k}.up", Field(("B", width, 2, 2 * places(columns, layer.scale + 1)), FLOATS)

    return Schema("pixel-cnn-pp", codec, (arrays,), state, image_output(pixels))


def kept_numbers(layer: Layer, width: int, columns: int) -> int:
    """Return how many numbers of a layer with F = `width` channels the fused engine keeps between rows."""
    if layer.kind == "block":
        return 2 * 2 * width * (places(columns, layer.scale) + 2)
    if layer.kind == "down":
        return width * (places(columns, layer.scale - 1) + 2)
    return 4 * width * places(columns, layer.scale + 1) if layer.kind == "up" else 0
