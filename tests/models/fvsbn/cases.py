"""FVSBN: binary images."""

from __future__ import annotations

from seqgen.models.fvsbn.model import FVSBN
from tests.conformance.case import Case
from tests.conformance.image_case import COLUMNS, ROWS, all_images, image_case
from tests.conformance.parameters import in_float64, sharpened, trained


def fvsbn(number: int) -> FVSBN:
    model: FVSBN = sharpened(FVSBN(24, shape=(1, ROWS, COLUMNS)), number)
    return model


CASES = [
    Case(
        "fvsbn",
        fvsbn,
        exact=in_float64,
        retrain=trained,
        total=all_images(lambda: in_float64(sharpened(FVSBN(9), 5)), (1, 3, 3)),
        **image_case(),
    ),
]
