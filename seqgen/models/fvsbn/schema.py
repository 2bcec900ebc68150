"""The schema of an FVSBN. Legend: B lanes, D dimensions."""

from __future__ import annotations

from typing import Any

from seqgen.codecs import Codec
from seqgen.image.schema import CODECS, image_output, image_state, pixels_of, require_dimensions
from seqgen.kernels.padding import padded
from seqgen.schema import FLOATS, Configuration, Field, Fields, Integer, Schema, described


def _rule(codec: Codec, given: dict[str, Any]) -> None:
    require_dimensions(codec, given)
    if codec.size != 2:
        raise ValueError(f"levels must be 2 for an FVSBN, got {codec.size}")


CONFIGURATION = Configuration("fvsbn", CODECS, {"dimensions": Integer()}, _rule)


def schema(config: Any) -> Schema:
    """Return the schema of an `FVSBN`."""
    codec, given = CONFIGURATION.read(config)
    pixels, size = pixels_of(codec), given["dimensions"]

    def arrays() -> Fields:
        by = described(given, "dimensions")
        yield "weight", Field((size * (size - 1) // 2,), by=by)
        yield "bias", Field((size,), by=by)

    def state(engine: str, log_probs: bool) -> Fields:
        yield from image_state(pixels)
        yield (
            "sums",
            Field(("B", padded(size)), ("float32",)) if engine == "numba" else Field(("B", size), FLOATS),
        )

    return Schema("fvsbn", codec, (arrays,), state, image_output(pixels))
