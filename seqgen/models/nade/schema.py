"""The schema of a NADE. Legend: B lanes, D dimensions, F hidden units, L levels."""

from __future__ import annotations

from typing import Any

from seqgen.image.schema import CODECS, image_output, image_sizes, image_state, pixels_of, require_dimensions
from seqgen.kernels.padding import padded
from seqgen.schema import FLOATS, Configuration, Field, Fields, Integer, Schema, described

CONFIGURATION = Configuration(
    "nade", CODECS, {"dimensions": Integer(), "hidden_size": Integer()}, require_dimensions
)


def schema(config: Any) -> Schema:
    """Return the schema of a `NADE`."""
    codec, given = CONFIGURATION.read(config)
    pixels, size, hidden = pixels_of(codec), given["dimensions"], given["hidden_size"]

    def arrays() -> Fields:
        by = described(image_sizes(pixels, given), "dimensions", "levels", "hidden_size")
        columns = (size, pixels.levels - 1, hidden)
        yield "input", Field(columns, by=by)
        yield "input_bias", Field((hidden,), by=by)
        yield "output", Field(columns, by=by)
        yield "output_bias", Field(columns[:2], by=by)

    def state(engine: str, log_probs: bool) -> Fields:
        yield from image_state(pixels)
        yield (
            "sums",
            Field(("B", padded(hidden)), ("float32",)) if engine == "numba" else Field(("B", hidden), FLOATS),
        )

    return Schema("nade", codec, (arrays,), state, image_output(pixels))
