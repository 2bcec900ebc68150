"""The schema of a PixelCNN auto-encoder, composed of those of an encoder and of a PixelCNN."""

from __future__ import annotations

from typing import Any

from seqgen.codecs import Codec
from seqgen.image.schema import CODECS, encoder_arrays, pixels_of
from seqgen.models.pixel_cnn import pixel_cnn_schema
from seqgen.schema import Configuration, Fields, Integer, Part, Schema, part_schema, prefixed

BOTTLENECK = Integer()
"""The length of a code, the condition of the decoder."""


def _rule(codec: Codec, given: dict[str, Any]) -> None:
    decoder = given["decoder"]
    if decoder.get("codec") != codec.config():
        raise ValueError("the decoder must have the codec of the model")
    for name in ("classes", "guide"):
        if decoder.get(name) is not None:
            raise ValueError(f"the decoder's {name} must be None: it is conditioned on the code alone")
    BOTTLENECK.check("the decoder's condition_size", decoder.get("condition_size"))


CONFIGURATION = Configuration(
    "pixel-cnn-autoencoder", CODECS, {"encoder_channels": Integer(), "decoder": Part()}, _rule
)


def schema(config: Any) -> Schema:
    """Return the schema of a `PixelCNNAutoEncoder`, whose engines and states are those of its decoder."""
    codec, given = CONFIGURATION.read(config)
    decoder = part_schema("decoder", pixel_cnn_schema, given["decoder"])
    pixels = pixels_of(codec)

    def arrays() -> Fields:
        bottleneck = given["decoder"]["condition_size"]
        yield from prefixed("encoder.", encoder_arrays(pixels, given["encoder_channels"], bottleneck))
        yield from prefixed("decoder.", decoder.arrays[0]())

    return Schema(
        "pixel-cnn-autoencoder", codec, (arrays,), decoder.state, decoder.output, workspace=decoder.workspace
    )
