"""The schema of an RNADE.

Legend: B lanes, N numbers, D dimensions, F hidden units, K components.
"""

from __future__ import annotations

from typing import Any

from seqgen.codecs import Codec, Vectors
from seqgen.kernels.padding import padded
from seqgen.schema import FLOATS, Configuration, Field, Fields, Integer, Schema, described, log_probs


def _rule(codec: Codec, given: dict[str, Any]) -> None:
    assert isinstance(codec, Vectors)
    if codec.dimensions:
        raise ValueError(
            f"the codec's dimensions must be 0, as a vector is drawn number by number, got {codec.dimensions}"
        )


CONFIGURATION = Configuration(
    "rnade", ("vectors",), {"dimensions": Integer(), "hidden_size": Integer(), "components": Integer()}, _rule
)


def schema(config: Any) -> Schema:
    """Return the schema of an `RNADE`."""
    codec, given = CONFIGURATION.read(config)
    size, hidden, kinds = given["dimensions"], given["hidden_size"], given["components"]

    def arrays() -> Fields:
        by = described(given, "dimensions", "hidden_size", "components")
        yield "input", Field((size, hidden), by=by)
        yield "input_bias", Field((hidden,), by=by)
        yield "rescaling", Field((size,), by=by)
        yield "output", Field((size, 3, kinds, hidden), by=by)
        yield "output_bias", Field((size, 3, kinds), by=by)
        yield "location", Field((size,), by=by)
        yield "scale", Field((size,), above=0.0, by=by)

    def state(engine: str, log_probs: bool) -> Fields:
        yield "values", Field(("B", size), ("float64",))
        yield "given", Field(("B",), ("int64",), low=0, high=size)
        yield "position", Field(("B",), ("int64",), low=0, high=size)
        yield "index", Field(("B",), ("uint64",))
        yield (
            "sums",
            Field(("B", padded(hidden)), ("float32",)) if engine == "numba" else Field(("B", hidden), FLOATS),
        )

    output = {"symbols": Field(("N",), ("float64",)), **log_probs("N")}
    return Schema("rnade", codec, (arrays,), state, output)
