"""NADE: one and three colours, two and four levels, float32 and bfloat16 weights."""

from __future__ import annotations

from typing import Any

from seqgen.models.nade.model import NADE
from tests.conformance.case import Case
from tests.conformance.image_case import COLUMNS, ROWS, all_images, image_case
from tests.conformance.parameters import in_float64, sharpened, trained


def nade(number: int) -> NADE:
    model: NADE = sharpened(NADE(24, 70, shape=(1, ROWS, COLUMNS)), number, bfloat16=True)
    return model


def colour_nade(number: int) -> NADE:
    model: NADE = sharpened(NADE(72, 5, levels=4, shape=(3, ROWS, COLUMNS)), number)
    return model


NADE_CASE: dict[str, Any] = {"exact": in_float64, "retrain": trained}
CASES = [
    Case(
        "nade",
        nade,
        total=all_images(lambda: in_float64(sharpened(NADE(9, 6), 5)), (1, 3, 3)),
        **NADE_CASE | image_case(),
    ),
    Case(
        "nade-colour",
        colour_nade,
        total=all_images(
            lambda: in_float64(sharpened(NADE(6, 4, levels=4, shape=(3, 1, 2)), 5)), (3, 1, 2), 4
        ),
        **NADE_CASE | image_case(3, 4),
    ),
]
