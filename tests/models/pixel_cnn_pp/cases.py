"""PixelCNN++: one and three colours, two and four levels, float32 and bfloat16 weights, a class or none."""

from __future__ import annotations

from typing import Any

from seqgen.models.pixel_cnn_pp.model import PixelCNNpp
from tests.conformance.case import Case
from tests.conformance.image_case import COLUMNS, ROWS, all_images, image_case
from tests.conformance.parameters import in_float64, trained

CLASSES: dict[str, Any] = {"levels": 4, "classes": 2}


def model_of(
    shape: tuple[int, int, int], number: int, *, bfloat16: bool = False, **settings: Any
) -> PixelCNNpp:
    """Return a model of two scales, optionally rounded to bfloat16, whose pixels depend strongly on earlier ones."""
    arguments = {
        "levels": 2,
        "channels": 6,
        "blocks": 1,
        "scales": 2,
        "mixtures": 2,
        "seed": number,
    } | settings
    model = PixelCNNpp(shape, **arguments)
    for layer, module in zip(model.plan, model.layers, strict=True):
        for name, parameter in module.named_parameters():
            strong = 6.0 if layer.kind == "input" else 4.0 if "second" in name or "condition" in name else 1.5
            parameter.data *= 0.3 if name.endswith("bias") else strong
    model.head.weight.data *= 4.0 if model.codec.levels == 2 else 1.0
    for parameter in model.parameters() if bfloat16 else ():
        parameter.data = parameter.data.bfloat16().float()
    return model


def grey(number: int) -> PixelCNNpp:
    return model_of((1, ROWS, COLUMNS), number)


def colour(number: int) -> PixelCNNpp:
    return model_of((3, ROWS, COLUMNS), number, bfloat16=True, **CLASSES)


PIXEL_CNN_PP_CASE: dict[str, Any] = {"exact": in_float64, "retrain": trained}

CASES = [
    Case(
        "pixel-cnn-pp",
        grey,
        total=all_images(lambda: in_float64(model_of((1, 3, 3), 5)), (1, 3, 3)),
        **PIXEL_CNN_PP_CASE | image_case(),
    ),
    Case(
        "pixel-cnn-pp-colour",
        colour,
        conditions=(0, 1),
        required={"condition": 0},
        total=all_images(lambda: in_float64(model_of((3, 1, 2), 5, **CLASSES)), (3, 1, 2), 4, condition=1),
        # with four levels the components may be narrow, and magnify the rounding of their means
        **PIXEL_CNN_PP_CASE | image_case(3, 4) | {"tolerance": 3e-5},
    ),
]
