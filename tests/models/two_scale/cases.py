"""Two-scale models: one and three colours, both strides or one, a class, float32 and bfloat16 weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.models.pixel_cnn.model import PixelCNN
from seqgen.models.two_scale.model import TwoScale
from tests.conformance.case import Case
from tests.conformance.image_case import COLUMNS, ROWS, all_images, image_case
from tests.conformance.parameters import in_float64, trained


def two_scale(
    shape: tuple[int, int, int],
    coarse: tuple[int, int, int],
    number: int,
    *,
    bfloat16: bool = False,
    **arguments: Any,
) -> TwoScale:
    """Return a model whose weights are scaled up, optionally rounded to bfloat16."""
    sizes: dict[str, Any] = {"channels": 6, "layers": 2, "first_kernel_size": 5, **arguments}
    model = TwoScale(
        PixelCNN(coarse, seed=2 * number, **sizes),
        PixelCNN(shape, seed=2 * number + 1, guide=coarse, **sizes),
    )
    for parameter in model.parameters():
        parameter.data *= 3.0
        if bfloat16:
            parameter.data = parameter.data.bfloat16().float()
    return model


def grey(number: int) -> TwoScale:
    return two_scale((1, ROWS, COLUMNS), (1, ROWS // 2, COLUMNS // 2), number)


def colour(number: int) -> TwoScale:
    shape, coarse = (3, ROWS, COLUMNS), (3, ROWS // 3, COLUMNS)
    return two_scale(shape, coarse, number, bfloat16=True, levels=4, classes=2, condition_size=2)


def coarse_first(colours: int, down: int, across: int, level: int) -> tuple[np.ndarray, ...]:
    """Return three prompts: a part of the small image, all of it, and all of it and some of the other pixels."""
    part, whole, more = (np.full((colours, ROWS, COLUMNS), -1) for _ in range(3))
    part[:, : ROWS // 2 : down, ::across] = level
    whole[:, ::down, ::across] = 0
    more[:, ::down, ::across] = level
    more[:, :5] = 0
    more[:, 5, 0] = level
    return part, whole, more


TWO_SCALE_CASE: dict[str, Any] = {"exact": in_float64, "retrain": trained}
CASES = [
    Case(
        "two-scale",
        grey,
        total=all_images(lambda: two_scale((1, 4, 2), (1, 2, 1), 5).double(), (1, 4, 2)),
        **TWO_SCALE_CASE | image_case() | {"prompts": coarse_first(1, 2, 2, 1)},
    ),
    Case(
        "two-scale-colour",
        colour,
        conditions=({"class": 0, "vector": [1.0, -0.5]}, {"class": 1, "vector": [0.0, 2.0]}),
        required={"condition": {"class": 0, "vector": [1.0, -0.5]}},
        total=all_images(lambda: two_scale((3, 2, 2), (3, 1, 1), 5).double(), (3, 2, 2)),
        **TWO_SCALE_CASE | image_case(3, 4) | {"prompts": coarse_first(3, 3, 1, 3)},
    ),
]
