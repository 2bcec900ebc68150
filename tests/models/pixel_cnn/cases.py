"""PixelCNNs: gated and plain, one to three colours, class, vector and guide, float32 and bfloat16 weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.models.pixel_cnn.model import PixelCNN
from tests.conformance.case import Case
from tests.conformance.image_case import COLUMNS, ROWS, all_images, image_case
from tests.conformance.parameters import trained

ENGINES = ("numba", "torch", "fixed-point")
CLASSES: dict[str, Any] = {"levels": 4, "classes": 2, "position": True}
GUIDED: dict[str, Any] = {"levels": 3, "gated": False, "condition_size": 2, "kernel_size": 5}


def pixel_cnn(
    shape: tuple[int, int, int], number: int, *, bfloat16: bool = False, **arguments: Any
) -> PixelCNN:
    """Return a model whose weights are scaled up, optionally rounded to bfloat16.

    It is in float64, where lanes are computed one by one, for the two engines that use PyTorch.
    """
    model = PixelCNN(shape, seed=number, **{"channels": 6, "layers": 3, "first_kernel_size": 5, **arguments})
    for parameter in model.parameters():
        parameter.data *= 2.5
        if bfloat16:
            parameter.data = parameter.data.bfloat16().float()
    return model.double()


def gated(number: int) -> PixelCNN:
    return pixel_cnn((1, ROWS, COLUMNS), number)


def colours(number: int) -> PixelCNN:
    return pixel_cnn((3, ROWS, COLUMNS), number, bfloat16=True, **CLASSES)


def plain(number: int) -> PixelCNN:
    return pixel_cnn((1, ROWS, COLUMNS), number, guide=(1, ROWS // 2, COLUMNS // 2), **GUIDED)


def guided(level: int) -> dict[str, Any]:
    """Return a condition of `plain`."""
    return {"vector": [1.0 - level, 0.5], "guide": np.arange(ROWS // 2)[None, :, None] * level % 3}


PIXEL_CNN_CASE: dict[str, Any] = {"engines": ENGINES, "retrain": trained}
CASES = [
    Case(
        "pixel-cnn",
        gated,
        total=all_images(lambda: pixel_cnn((1, 3, 3), 5), (1, 3, 3)),
        **PIXEL_CNN_CASE | image_case(),
    ),
    Case(
        "pixel-cnn-colours",
        colours,
        conditions=(0, 1),
        required={"condition": 0},
        total=all_images(lambda: pixel_cnn((3, 1, 2), 5, **CLASSES), (3, 1, 2), 4, condition=1),
        **PIXEL_CNN_CASE | image_case(3, 4),
    ),
    Case(
        "pixel-cnn-plain",
        plain,
        conditions=(guided(0), guided(1), guided(2)),
        required={"condition": guided(1)},
        total=all_images(
            lambda: pixel_cnn((1, 2, 4), 5, guide=(1, 1, 2), **GUIDED),
            (1, 2, 4),
            3,
            condition={"vector": [0.5, -1.0], "guide": [[[2, 1]]]},
        ),
        **PIXEL_CNN_CASE | image_case(1, 3),
    ),
]
