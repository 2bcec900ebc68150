"""The recipe of `seqgen train nade`."""

from __future__ import annotations

from typing import Any

from seqgen.image.recipe import image_recipe, refuse_classes


def build(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> Any:
    """Create a `NADE` for images of this shape, which takes no classes."""
    import math

    from seqgen.models.nade.model import NADE

    refuse_classes("nade", classes)
    return NADE(math.prod(shape), shape=shape, **settings)


RECIPE = image_recipe(
    "nade",
    build,
    {"levels": 2, "hidden_size": 200},
    {
        "tiny": {"hidden_size": 16, "steps": 100, "batch": 16, "warmup": 20},
        "digits": {"steps": 7000, "batch": 64, "learning_rate": 5e-3, "warmup": 200, "validate_every": 500},
    },
    example="--set hidden_size=500",
)  # fmt: skip
