"""PixelCNN auto-encoders: one and three colours, float32 and bfloat16 weights, samples given a code."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.models.pixel_cnn_autoencoder.model import PixelCNNAutoEncoder
from tests.conformance.case import Case
from tests.conformance.image_case import COLUMNS, ROWS, all_images, image_case
from tests.conformance.parameters import in_float64, trained

CODES = (np.array([1.0, -0.5, 0.25]), np.array([-1.0, 0.5, 2.0]))


def autoencoder(
    shape: tuple[int, int, int], number: int, *, levels: int = 2, bfloat16: bool = False
) -> PixelCNNAutoEncoder:
    """Return a model whose weights are scaled up, optionally rounded to bfloat16."""
    model = PixelCNNAutoEncoder(shape, levels, 3, 6, 2, 4, first_kernel_size=5, seed=number)
    for parameter in model.parameters():
        parameter.data *= 3.0
        if bfloat16:
            parameter.data = parameter.data.bfloat16().float()
    return model


def grey(number: int) -> PixelCNNAutoEncoder:
    return autoencoder((1, ROWS, COLUMNS), number)


def colour(number: int) -> PixelCNNAutoEncoder:
    return autoencoder((3, ROWS, COLUMNS), number, levels=4, bfloat16=True)


AUTOENCODER_CASE: dict[str, Any] = {
    "exact": in_float64,
    "retrain": trained,
    "conditions": CODES,
    "required": {"condition": CODES[0]},
}
CASES = [
    Case(
        "pixel-cnn-autoencoder",
        grey,
        total=all_images(lambda: autoencoder((1, 3, 3), 5).double(), (1, 3, 3), condition=CODES[1]),
        **AUTOENCODER_CASE | image_case(),
    ),
    Case(
        "pixel-cnn-autoencoder-colour",
        colour,
        **AUTOENCODER_CASE | image_case(3, 4),
    ),
]
