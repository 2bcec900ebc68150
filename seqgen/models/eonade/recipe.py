"""The recipe of `seqgen train eonade`."""

from __future__ import annotations

from typing import Any

from seqgen.image.recipe import image_recipe, refuse_classes


def build(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> Any:
    """Create an `EoNADE` for images of this shape, which takes no classes."""
    import math

    from seqgen.models.eonade.model import EoNADE

    refuse_classes("eonade", classes)
    return EoNADE(math.prod(shape), shape=shape, **settings)


RECIPE = image_recipe(
    "eonade",
    build,
    {"levels": 2, "hidden_size": 500, "layers": 1},
    {
        "tiny": {"hidden_size": 16, "steps": 100, "batch": 16, "warmup": 20},
        "digits": {"steps": 8000, "batch": 64, "learning_rate": 2e-3, "warmup": 200, "validate_every": 1000},
    },
    example="--set layers=2",
)  # fmt: skip
