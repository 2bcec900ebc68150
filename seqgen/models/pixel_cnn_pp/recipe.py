"""The recipe of `seqgen train pixel-cnn-pp`."""

from __future__ import annotations

from typing import Any

from seqgen.image.recipe import image_recipe


def build(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> Any:
    """Create a `PixelCNNpp` in the memory format that trains fastest."""
    import torch

    from seqgen.models.pixel_cnn_pp.model import PixelCNNpp

    model = PixelCNNpp(shape, classes=classes, **settings)
    return model.to(memory_format=torch.channels_last)


RECIPE = image_recipe(
    "pixel-cnn-pp",
    build,
    {"levels": 256, "channels": 32, "blocks": 2, "scales": 3, "mixtures": 10, "dropout": 0.0},
    {
        "tiny": {
            "channels": 8, "blocks": 1, "scales": 2, "mixtures": 3, "steps": 100, "batch": 16, "warmup": 20,
        },
        "fashion": {
            "conditional": True, "dropout": 0.1, "steps": 6000, "batch": 16, "learning_rate": 2e-3, "warmup": 200,
            "validate_every": 1000,
        },
    },
    example="--set mixtures=5",
)  # fmt: skip
