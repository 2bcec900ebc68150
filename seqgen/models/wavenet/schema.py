"""The schema of a WaveNet.

Legend: B lanes, N samples per chunk, L layers, R residual, G gate and S skip channels, k kernel size, O outputs, K
components, M features per frame, H local channels.
"""

from __future__ import annotations

from typing import Any

from seqgen.audio.schema import CONDITION, sound_state
from seqgen.codecs import Codec
from seqgen.codecs.audio import HIGHEST, LOWEST
from seqgen.conditions.audio import AudioConditions
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
    log_probs,
)

CODECS = {"categorical": "mu-law", "logistics": "pcm16", "gaussian": "waveform"}
"""Output -> codec."""


def _rule(codec: Codec, given: dict[str, Any]) -> None:
    gates, output, mixtures = given["gate_channels"], given["output"], given["mixtures"]
    if gates % 2:
        raise ValueError(f"gate_channels must be even, as they are the two halves of a gate, got {gates}")
    if output == "categorical" and mixtures > 1:
        raise ValueError(
            f"mixtures is for the outputs 'logistics' and 'gaussian', got {mixtures} for {output!r}"
        )
    if (given["hop"] is None) != (given["mels"] is None):
        raise ValueError(
            f"mels and hop must be given together, got mels={given['mels']} and hop={given['hop']}"
        )
    if codec.name != CODECS[output]:
        raise ValueError(f"the codec of the output {output!r} must be {CODECS[output]!r}, got {codec.name!r}")


CONFIGURATION = Configuration(
    "wavenet",
    tuple(CODECS.values()),
    {
        "layers": Integer(),
        "cycle": Integer(high=24),
        "residual_channels": Integer(),
        "gate_channels": Integer(low=2),
        "skip_channels": Integer(),
        "kernel_size": Integer(),
        "output": Choice(tuple(CODECS)),
        "mixtures": Integer(),
        **CONDITION,
        # limited here, because without features no array has this size
        "local_channels": Integer(most=1 << 24),
        "upsampling": Choice(("nearest", "learned")),
        "dropout": Real(low=0.0, below=1.0),
    },
    _rule,
)


def schema(config: Any) -> Schema:
    """Return the schema of a `WaveNet`."""
    codec, given = CONFIGURATION.read(config)
    layers, taps, output = given["layers"], given["kernel_size"], given["output"]
    channels, gates, skips = given["residual_channels"], given["gate_channels"], given["skip_channels"]
    width = AudioConditions.from_config(given).global_width
    reaches = [(taps - 1) << number for number in range(given["cycle"])]

    def arrays() -> Fields:
        sizes = given | {"levels": codec.size}
        by = described(sizes, "residual_channels", "gate_channels", "kernel_size")
        levels = ["levels"] if codec.size else []
        head = described(sizes, "layers", "gate_channels", "skip_channels")
        inputs = described(sizes, "kernel_size", *levels, "residual_channels")
        yield from affine("input", taps, codec.size or 1, channels, by=inputs, bias=channels)
        for number in range(layers):
            yield from affine(f"layers.{number}.dilated", gates, taps * channels, by=by)
            if number < layers - 1:
                yield from affine(f"layers.{number}.residual", channels, gates // 2, by=by)
        yield from affine("skip", skips, layers * gates // 2, by=head)
        yield from affine("hidden", skips, skips, by=head)
        outputs = described(sizes, "output", *(levels or ["mixtures"]), "skip_channels")
        yield from affine("output", codec.size or 3 * given["mixtures"], skips, by=outputs)
        if width:
            globally = described(sizes, "classes", "condition_size", "layers", "gate_channels")
            yield "globals.weight", Field((layers * gates, width), by=globally)
        if given["mels"] is not None:
            local = given["local_channels"]
            locally = described(sizes, "mels", "local_channels", "layers", "gate_channels")
            yield from affine("frames", local, given["mels"], 3, by=locally)
            yield "local.weight", Field((layers * gates, local), by=locally)
            if given["upsampling"] == "learned":
                yield "upsample.weight", Field((2, given["hop"]), by=described(sizes, "hop"))

    def state(engine: str, log_probs: bool) -> Fields:
        yield from sound_state(codec, taps)
        reach_of = [reaches[number % given["cycle"]] for number in range(layers)]
        if engine == "numba":
            rows = sum(1 << (max(1, reach) - 1).bit_length() for reach in reach_of)
            columns = layers * padded(2 * whole_vectors(gates // 2))
            yield "rings", Field(("B", rows * channels), ("float32",))
            yield "base", Field(("B", columns), ("float32",))
            return
        yield "global_condition", Field(("B", width), ("float32",))
        for number, reach in enumerate(reach_of):
            yield f"ring.{number}", Field(("B", max(1, reach), channels), FLOATS)

    if output == "gaussian":
        symbols = Field(("N",), ("float64",))
    else:
        lowest, highest = (0, codec.size - 1) if output == "categorical" else (LOWEST, HIGHEST)
        symbols = Field(("N",), ("int64",), low=lowest, high=highest)
    whole = {"symbols": symbols, **log_probs("N")}
    return Schema("wavenet", codec, (arrays,), state, whole, ends=given["mels"] is not None)
