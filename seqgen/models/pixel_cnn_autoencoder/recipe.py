"""The recipe of `seqgen train pixel-cnn-autoencoder`."""

from __future__ import annotations

from typing import Any

from seqgen.image.recipe import image_recipe, refuse_classes

_DIGITS: dict[str, Any] = {"steps": 3000, "learning_rate": 2e-3, "warmup": 200, "validate_every": 500}
_FASHION: dict[str, Any] = {**_DIGITS, "steps": 5600, "validate_every": 800}


def build(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> Any:
    """Create a `PixelCNNAutoEncoder`, which takes no classes."""
    import torch

    from seqgen.models.pixel_cnn_autoencoder.model import PixelCNNAutoEncoder

    refuse_classes("pixel-cnn-autoencoder", classes)
    return PixelCNNAutoEncoder(shape, **settings).to(memory_format=torch.channels_last)


RECIPE = image_recipe(
    "pixel-cnn-autoencoder",
    build,
    {
        "levels": 2, "bottleneck": 10, "channels": 64, "layers": 7, "position": True, "encoder_channels": 32,
        "dropout": 0.0,
    },
    {
        "tiny": {
            "channels": 16, "layers": 3, "encoder_channels": 8, "steps": 100, "batch": 16, "warmup": 20,
        },
        "digits": _DIGITS,
        "digits-100": {"bottleneck": 100, **_DIGITS},
        "fashion": {"levels": 16, "layers": 5, **_FASHION},
        "fashion-100": {"levels": 16, "layers": 5, "bottleneck": 100, **_FASHION},
    },
    example="--set bottleneck=100",
)  # fmt: skip
