"""The recipe of `seqgen train autoencoder`."""

from __future__ import annotations

from typing import Any

from seqgen.image.recipe import image_recipe, refuse_classes

_DIGITS: dict[str, Any] = {"steps": 3000, "learning_rate": 2e-3, "warmup": 200, "validate_every": 500}
_FASHION: dict[str, Any] = {**_DIGITS, "steps": 5600, "validate_every": 800}


def build(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> Any:
    """Create an `AutoEncoder`, which takes no classes."""
    import torch

    from seqgen.models.autoencoder.model import AutoEncoder

    refuse_classes("autoencoder", classes)
    return AutoEncoder(shape, **settings).to(memory_format=torch.channels_last)


RECIPE = image_recipe(
    "autoencoder",
    build,
    {"levels": 2, "bottleneck": 10, "channels": 32},
    {
        "tiny": {"channels": 8, "steps": 100, "batch": 16, "warmup": 20},
        "digits": _DIGITS,
        "digits-100": {"bottleneck": 100, **_DIGITS},
        "fashion": {"levels": 16, **_FASHION},
        "fashion-100": {"levels": 16, "bottleneck": 100, **_FASHION},
    },
    example="--set bottleneck=100",
)  # fmt: skip
