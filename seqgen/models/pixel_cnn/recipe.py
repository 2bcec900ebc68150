"""The recipe of `seqgen train pixel-cnn`."""

from __future__ import annotations

from typing import Any

from seqgen.image.recipe import image_recipe


def build(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> Any:
    """Create a `PixelCNN` in the memory format that trains fastest."""
    import torch

    from seqgen.models.pixel_cnn.model import PixelCNN

    model = PixelCNN(shape, classes=classes, **settings)
    return model.to(memory_format=torch.channels_last)


RECIPE = image_recipe(
    "pixel-cnn",
    build,
    {
        "levels": 2, "channels": 64, "layers": 7, "position": False, "gated": True, "kernel_size": 3, "dropout": 0.0,
    },
    {
        "tiny": {"channels": 16, "layers": 3, "steps": 100, "batch": 16, "warmup": 20},
        "digits": {
            "position": True, "dropout": 0.2, "augment": 0.5, "steps": 9000, "learning_rate": 2e-3, "warmup": 200,
            "validate_every": 1000,
        },
        "fashion": {
            "levels": 16, "layers": 5, "position": True, "conditional": True, "steps": 3600, "learning_rate": 2e-3,
            "warmup": 200, "validate_every": 600,
        },
    },
    example="--set levels=4 --set conditional=true",
)  # fmt: skip
