"""The recipe of `seqgen train fvsbn`."""

from __future__ import annotations

from typing import Any

from seqgen.image.recipe import image_recipe, refuse_classes


def build(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> Any:
    """Create an `FVSBN` for images of this shape, which takes no classes and two levels."""
    import math

    from seqgen.models.fvsbn.model import FVSBN

    refuse_classes("fvsbn", classes)
    if settings["levels"] != 2:
        raise ValueError(f"levels must be 2 for an FVSBN, got {settings['levels']}; a NADE takes more")
    return FVSBN(math.prod(shape), shape=shape, seed=settings["seed"])


RECIPE = image_recipe(
    "fvsbn",
    build,
    {"levels": 2},
    {
        "tiny": {"steps": 200, "warmup": 20},
        "digits": {
            "steps": 4000, "batch": 64, "learning_rate": 1e-2, "warmup": 200, "weight_decay": 0.0,
            "validate_every": 500,
        },
    },
)  # fmt: skip
