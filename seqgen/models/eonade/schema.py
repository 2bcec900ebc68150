"""The schema of an EoNADE. Legend: B lanes, D dimensions, F hidden units, L levels."""

from __future__ import annotations

from typing import Any

from seqgen.image.schema import CODECS, image_output, image_sizes, image_state, pixels_of, require_dimensions
from seqgen.schema import FLOATS, Configuration, Field, Fields, Integer, Schema, described

CONFIGURATION = Configuration(
    "eonade",
    CODECS,
    {"dimensions": Integer(), "hidden_size": Integer(), "layers": Integer()},
    require_dimensions,
)


def schema(config: Any) -> Schema:
    """Return the schema of an `EoNADE`."""
    codec, given = CONFIGURATION.read(config)
    pixels, size, hidden = pixels_of(codec), given["dimensions"], given["hidden_size"]
    colours, rows, columns = pixels.shape

    def arrays() -> Fields:
        by = described(image_sizes(pixels, given), "dimensions", "levels", "hidden_size")
        values = (size, pixels.levels - 1, hidden)
        yield "mask", Field((size, hidden), by=by)
        yield "input", Field(values, by=by)
        yield "input_bias", Field((hidden,), by=by)
        for layer in range(given["layers"] - 1):
            yield f"deeper.{layer}", Field((hidden, hidden), by=by)
            yield f"deeper_bias.{layer}", Field((hidden,), by=by)
        yield "output", Field(values, by=by)
        yield "output_bias", Field(values[:2], by=by)

    def state(engine: str, log_probs: bool) -> Fields:
        yield from image_state(pixels)
        if engine != "numba":
            yield "sums", Field(("B", hidden), FLOATS)
        yield "order", Field(("B", size), ("int64",), low=0, below=size)
        kept = rows if log_probs else 0
        yield "log_probs", Field(("B", 2, colours, kept, columns), ("float64",), finite=False)

    return Schema("eonade", codec, (arrays,), state, image_output(pixels))
