"""The recipe of `seqgen train pixel-rnn`."""

from __future__ import annotations

from typing import Any

from seqgen.image.recipe import image_recipe, refuse_classes


def build(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> Any:
    """Create a `PixelRNN`, which takes no classes."""
    from seqgen.models.pixel_rnn.model import PixelRNN

    refuse_classes("pixel-rnn", classes)
    return PixelRNN(shape, **settings)


RECIPE = image_recipe(
    "pixel-rnn",
    build,
    {"levels": 2, "channels": 32, "layers": 2, "kind": "row", "kernel_size": 3, "dropout": 0.0},
    {
        "tiny": {"channels": 8, "layers": 1, "steps": 100, "batch": 16, "warmup": 20},
        "digits": {
            "kind": "diagonal", "dropout": 0.1, "steps": 4000, "learning_rate": 3e-3, "warmup": 200,
            "validate_every": 500,
        },
    },
    example="--set kind=diagonal",
)  # fmt: skip
