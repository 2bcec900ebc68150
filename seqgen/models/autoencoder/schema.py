"""The schema of an auto-encoder."""

from __future__ import annotations

from typing import Any

from seqgen.image.schema import CODECS, decoder_arrays, encoder_arrays, pixels_of
from seqgen.schema import Configuration, Fields, Integer, Schema, prefixed

CONFIGURATION = Configuration("autoencoder", CODECS, {"bottleneck": Integer(), "channels": Integer()})


def schema(config: Any) -> Schema:
    """Return the schema of an `AutoEncoder`, which does not stream."""
    codec, given = CONFIGURATION.read(config)
    sizes = (pixels_of(codec), given["channels"], given["bottleneck"])

    def arrays() -> Fields:
        yield from prefixed("encoder.", encoder_arrays(*sizes))
        yield from prefixed("decoder.", decoder_arrays(*sizes))

    return Schema("autoencoder", codec, (arrays,))
