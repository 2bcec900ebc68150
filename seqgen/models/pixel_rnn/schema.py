"""The schema of a PixelRNN.

Legend: B lanes, C colours, W columns, L levels, F units, D = 2F features.
"""

from __future__ import annotations

from typing import Any

from seqgen.image.schema import CODECS, image_output, image_sizes, image_state, pixels_of, require_groups
from seqgen.kernels.padding import padded, whole_vectors
from seqgen.schema import (
    FLOATS,
    Choice,
    Configuration,
    Field,
    Fields,
    Integer,
    Real,
    Schema,
    affine,
    described,
)

KINDS = ("row", "diagonal")

CONFIGURATION = Configuration(
    "pixel-rnn",
    CODECS,
    {
        "channels": Integer(),
        "layers": Integer(),
        "kind": Choice(KINDS),
        # limited here, because no array of the diagonal kind has this size
        "kernel_size": Integer(odd=True, most=65535),
        "first_kernel_size": Integer(low=3, odd=True),
        "head_channels": Integer(),
        "dropout": Real(low=0.0, below=1.0),
    },
    require_groups,
)


def schema(config: Any) -> Schema:
    """Return the schema of a `PixelRNN`."""
    codec, given = CONFIGURATION.read(config)
    pixels, units, layers, head = pixels_of(codec), given["channels"], given["layers"], given["head_channels"]
    colours, _, columns = pixels.shape
    diagonal, kernel = given["kind"] == "diagonal", given["kernel_size"]
    side = 0 if diagonal else kernel // 2
    features, gates = 2 * units, 4 * units

    def arrays() -> Fields:
        sizes = image_sizes(pixels, given)
        first, first_by = (
            given["first_kernel_size"],
            described(sizes, "colours", "channels", "first_kernel_size"),
        )
        by = described(sizes, "kind", "colours", "channels", *([] if diagonal else ["kernel_size"]))
        yield from affine("first.above", features, colours, first // 2, first, by=first_by)
        yield "first.beside.weight", Field((features, colours, 1, first // 2 + 1), by=first_by)
        for k in range(layers):
            name = f"layers.{k}."
            if diagonal:
                yield from affine(f"{name}inputs_right", gates, features, 1, 1, by=by)
                yield from affine(f"{name}inputs_left", gates, features + colours, 1, 1, by=by)
                yield f"{name}states_right.weight", Field((gates, units, 2), by=by)
                yield f"{name}states_left.weight", Field((gates, units, 2), by=by)
            else:
                yield from affine(f"{name}inputs", gates, features, 1, side + 1, by=by)
                yield f"{name}states.weight", Field((gates, units, kernel), by=by)
            yield from affine(f"{name}up", features, units, 1, 1, by=by)
        yield from affine("hidden", head, features, 1, 1, by=described(sizes, "channels", "head_channels"))
        outputs = described(sizes, "colours", "levels", "head_channels")
        yield from affine("output", colours * pixels.levels, head, 1, 1, by=outputs)

    def state(engine: str, log_probs: bool) -> Fields:
        yield from image_state(pixels)
        if engine == "numba":
            yield "states", Field(("B", layers, (columns + 2 * side) * units), ("float32",))
            yield "cells", Field(("B", layers, (1 if diagonal else columns) * units), ("float32",))
            yield "left", Field(("B", layers, columns * units if diagonal else 0), ("float32",))
        else:
            yield "memory", Field(("B", layers, 2, units, columns), FLOATS)

    # sums of a row, for every layer and colour
    row = columns * colours * (padded(features // colours) + layers * 4 * whole_vectors(units // colours))
    return Schema("pixel-rnn", codec, (arrays,), state, image_output(pixels), workspace=4 * row)
