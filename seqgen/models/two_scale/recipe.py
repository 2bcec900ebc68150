"""The recipe of `seqgen train two-scale`."""

from __future__ import annotations

from typing import Any

from seqgen.errors import integer
from seqgen.image.recipe import image_recipe


def build(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> Any:
    """Create a `TwoScale` whose small image is every `factor`-th row and column.

    Raises:
        ValueError: if the factor does not divide the numbers of rows and columns.
    """
    import torch

    from seqgen.models.pixel_cnn import PixelCNN
    from seqgen.models.two_scale.model import TwoScale

    factor = integer("factor", settings["factor"], low=2)
    colours, rows, columns = shape
    if rows % factor or columns % factor:
        raise ValueError(
            f"factor must divide the {rows} rows and {columns} columns of the images, got {factor}"
        )
    coarse = (colours, rows // factor, columns // factor)
    levels, shared = settings["levels"], {"dropout": settings["dropout"], "seed": settings["seed"]}
    small = PixelCNN(coarse, levels, settings["small_channels"], settings["small_layers"], classes, **shared)
    large = PixelCNN(shape, levels, settings["channels"], settings["layers"], classes, guide=coarse, **shared)
    return TwoScale(small, large).to(memory_format=torch.channels_last)


RECIPE = image_recipe(
    "two-scale",
    build,
    {
        "levels": 2, "factor": 2, "channels": 64, "layers": 7, "small_channels": 32, "small_layers": 4,
        "dropout": 0.0,
    },
    {
        "tiny": {
            "channels": 16, "layers": 3, "small_channels": 8, "small_layers": 2, "steps": 100, "batch": 16,
            "warmup": 20,
        },
        "digits": {"dropout": 0.1, "steps": 5500, "learning_rate": 2e-3, "warmup": 200, "validate_every": 500},
        "fashion": {
            "levels": 16, "layers": 5, "conditional": True, "steps": 3600, "learning_rate": 2e-3, "warmup": 200,
            "validate_every": 600,
        },
    },
    example="--set factor=4",
)  # fmt: skip
