"""EoNADE: one and three colours, two and four levels, one and several hidden layers, orders of drawing."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.models.eonade.model import EoNADE
from tests.conformance.case import Case
from tests.conformance.image_case import COLUMNS, ROWS, all_images, image_case
from tests.conformance.parameters import in_float64, sharpened, trained


def eonade(number: int) -> EoNADE:
    model: EoNADE = sharpened(EoNADE(24, 70, shape=(1, ROWS, COLUMNS)), number, bfloat16=True)
    model.output.data *= 0.0625  # a power of two, so that the weights stay exact in bfloat16
    return model


def deep_eonade(number: int) -> EoNADE:
    model: EoNADE = sharpened(EoNADE(72, 9, 3, levels=4, shape=(3, ROWS, COLUMNS)), number)
    for parameter in (*model.deeper, model.output):
        parameter.data *= 0.3
    return model


def orders(size: int) -> tuple[np.ndarray, ...]:
    """Return two orders that are not raster order."""
    return np.arange(size)[::-1].copy(), np.random.default_rng(0).permutation(size)


def known_anywhere(colours: int, levels: int) -> tuple[np.ndarray, ...]:
    """Return three prompts with known pixels all over the image."""
    noise = np.random.default_rng(1)
    shape = (3, colours, ROWS, COLUMNS)
    return tuple(np.where(noise.random(shape) < 0.4, noise.integers(0, levels, shape), -1))


EONADE_CASE: dict[str, Any] = {"exact": in_float64, "retrain": trained}
CASES = [
    Case(
        "eonade",
        eonade,
        total=all_images(
            lambda: in_float64(sharpened(EoNADE(9, 6), 5)), (1, 3, 3), condition=(3, 1, 4, 0, 5, 2, 6, 8, 7)
        ),
        conditions=orders(24),
        **EONADE_CASE | image_case() | {"prompts": known_anywhere(1, 2)},
    ),
    Case(
        "eonade-deep",
        deep_eonade,
        conditions=orders(72),
        **EONADE_CASE | image_case(3, 4) | {"prompts": known_anywhere(3, 4)},
    ),
]
