"""The schema of a PixelCNN.

Legend: B lanes, C colours, H rows, W columns, L levels, F channels, K features of the condition.
"""

from __future__ import annotations

import math
from typing import Any

from seqgen.codecs import Codec
from seqgen.image.schema import (
    CODECS,
    CONDITION,
    GUIDE,
    condition_state,
    conditions_of,
    image_output,
    image_sizes,
    image_state,
    pixels_of,
    require_groups,
)
from seqgen.kernels.padding import padded, whole_vectors
from seqgen.schema import (
    FLOATS,
    Boolean,
    Configuration,
    Field,
    Fields,
    Integer,
    Real,
    Schema,
    affine,
    described,
)


def _rule(codec: Codec, given: dict[str, Any]) -> None:
    require_groups(codec, given)
    conditions_of(codec, given)


CONFIGURATION = Configuration(
    "pixel-cnn",
    CODECS,
    {
        "channels": Integer(),
        "layers": Integer(),
        **CONDITION,
        **GUIDE,
        "position": Boolean(default=False),
        "gated": Boolean(),
        "kernel_size": Integer(odd=True),
        "first_kernel_size": Integer(low=3, odd=True),
        "head_channels": Integer(),
        "dropout": Real(low=0.0, below=1.0),
    },
    _rule,
)


def schema(config: Any) -> Schema:
    """Return the schema of a `PixelCNN`."""
    codec, given = CONFIGURATION.read(config)
    pixels, conditions = pixels_of(codec), conditions_of(codec, given)
    colours, rows, columns = pixels.shape
    channels, layers, side = given["channels"], given["layers"], given["kernel_size"] // 2
    head, gated = given["head_channels"], given["gated"]
    # sums per pixel in one stack, and in all stacks
    width = 2 * channels if gated else channels
    sums = 2 * width if gated else width

    def arrays() -> Fields:
        sizes = image_sizes(pixels, given)
        by = described(sizes, "colours", "channels", "kernel_size", "first_kernel_size")
        for k in range(layers):
            name, kernel, inputs = f"layers.{k}.", given["kernel_size"], channels
            if k == 0:
                kernel, inputs = given["first_kernel_size"], colours
            above, bias = kernel // 2 + (gated and k > 0), not gated and kernel == 1
            if above:
                yield from affine(f"{name}vertical", width, inputs, above, kernel, by=by)
            if gated:
                yield from affine(f"{name}link", width, width, 1, 1, by=by)
            yield from affine(f"{name}horizontal", width, inputs, 1, kernel // 2 + 1, by=by, bias=bias)
            yield from affine(f"{name}mix", 2 * channels, channels, 1, 1, by=by)
            if conditions.features:
                classes = described(sizes, "classes", "condition_size", "channels")
                yield f"{name}condition.weight", Field((sums, conditions.features), by=classes)
            if conditions.guide:
                yield f"{name}guide.weight", Field((sums, channels, 1, 1), by=by)
        yield from affine("hidden", head, channels, 1, 1, by=described(sizes, "channels", "head_channels"))
        outputs = described(sizes, "colours", "levels", "head_channels")
        yield from affine("output", colours * pixels.levels, head, 1, 1, by=outputs)
        if conditions.guide:
            yield from affine(
                "guide_net", channels, conditions.guide[0], 3, 3, by=described(sizes, "guide", "channels")
            )
        if given["position"]:
            placed = described(sizes, "rows", "columns", "channels")
            yield "row_bias", Field((rows, sums), by=placed)
            yield "column_bias", Field((columns, sums), by=placed)

    def state(engine: str, log_probs: bool) -> Fields:
        yield from image_state(pixels)
        if engine == "numba":
            yield "rows", Field(("B", layers - 1, side, columns + 2 * side, channels), ("float32",))
        elif engine == "torch":
            yield "rows", Field(("B", layers - 1, channels, side, columns), FLOATS)
        else:
            yield "whole", Field(("B",), ("bool",))
            yield "sweeps", Field(("B",), ("int64",), low=0, high=math.prod(pixels.shape) + 1)
            yield "scores", Field(("B", 2 if log_probs else 0, *pixels.shape), ("float64",), finite=False)
        yield from condition_state(conditions)

    # sums of a row: of the vertical stack, and of every layer and colour of the horizontal stack
    across = padded((2 if gated else 1) * whole_vectors(channels // colours))
    row = columns * (padded(2 * whole_vectors(channels)) + layers * colours * across)
    return Schema("pixel-cnn", codec, (arrays,), state, image_output(pixels), workspace=4 * row)
