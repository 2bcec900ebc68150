"""The schema of a recurrent network.

Legend: B lanes, N symbols, V vocabulary, H hidden size, L layers.
"""

from __future__ import annotations

from typing import Any

from seqgen.engines.lane_controls import control_fields
from seqgen.schema import (
    FLOATS,
    Boolean,
    Choice,
    Configuration,
    Field,
    Fields,
    Integer,
    Real,
    Schema,
    affine,
    described,
    log_probs,
)

GATES = {"tanh": 1, "gru": 3, "lstm": 4}
"""Cell -> number of gates whose weights PyTorch stacks."""

CONFIGURATION = Configuration(
    "char-rnn",
    ("characters", "bytes"),
    {
        "cell": Choice(tuple(GATES)),
        "hidden_size": Integer(),
        "layers": Integer(),
        "dropout": Real(low=0.0, below=1.0),
        "bias": Boolean(),
    },
)


def schema(config: Any) -> Schema:
    """Return the schema of a `CharRNN`."""
    codec, given = CONFIGURATION.read(config)
    symbols, hidden, layers, bias = codec.size, given["hidden_size"], given["layers"], given["bias"]
    parts = 2 if given["cell"] == "lstm" else 1

    def arrays() -> Fields:
        gates, sizes = GATES[given["cell"]] * hidden, {"symbols": symbols} | given
        by, ends_by = (
            described(sizes, "cell", "hidden_size"),
            described(sizes, "cell", "symbols", "hidden_size"),
        )
        for layer in range(layers):
            name = f"layers.{layer}."
            yield (
                f"{name}weight_ih_l0",
                Field((gates, hidden if layer else symbols), by=by if layer else ends_by),
            )
            yield f"{name}weight_hh_l0", Field((gates, hidden), by=by)
            for kind in ("ih", "hh") if bias else ():
                yield f"{name}bias_{kind}_l0", Field((gates,), by=by)
        yield from affine("head", symbols, hidden, by=described(sizes, "symbols", "hidden_size"), bias=bias)

    def state(engine: str, log_probs: bool) -> Fields:
        if engine == "numba":
            yield "states", Field(("B", layers * hidden), ("float32",))
            yield "cells", Field(("B", layers * hidden if parts == 2 else 0), ("float32",))
        else:
            yield "hidden", Field(("B", layers, parts, hidden), FLOATS)
        yield "previous", Field(("B",), ("int64",), low=-1, below=symbols)
        yield "position", Field(("B",), ("uint64",))
        yield "index", Field(("B",), ("uint64",))
        yield from control_fields(symbols)

    output = {"symbols": Field(("N",), ("int64",), low=0, below=symbols), **log_probs("N")}
    return Schema("char-rnn", codec, (arrays,), state, output, ends=False)
