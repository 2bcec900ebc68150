"""FVSBN and the NADE family: one and three colours, two and four levels, float32 and bfloat16 weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqgen.models.eonade.model import EoNADE
from seqgen.models.fvsbn.model import FVSBN
from seqgen.models.nade.model import NADE
from seqgen.models.rnade.model import RNADE
from tests.conformance.case import Case
from tests.conformance.image_case import COLUMNS, ROWS, all_images, image_case


def sharpened(model: Any, number: int, *, bfloat16: bool = False) -> Any:
    """The model with all parameters drawn anew, wide enough that its distribution is far from flat."""
    generator = torch.Generator().manual_seed(number)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
        if bfloat16:
            parameter.data = parameter.data.bfloat16().float()
    return model


def fvsbn(number: int) -> FVSBN:
    model: FVSBN = sharpened(FVSBN(24, shape=(1, ROWS, COLUMNS)), number)
    return model


def nade(number: int) -> NADE:
    model: NADE = sharpened(NADE(24, 70, shape=(1, ROWS, COLUMNS)), number, bfloat16=True)
    return model


def colour_nade(number: int) -> NADE:
    model: NADE = sharpened(NADE(72, 5, levels=4, shape=(3, ROWS, COLUMNS)), number)
    return model


def eonade(number: int) -> EoNADE:
    model: EoNADE = sharpened(EoNADE(24, 70, shape=(1, ROWS, COLUMNS)), number, bfloat16=True)
    model.output.data *= 0.0625  # a power of two, so that the weights stay exact in bfloat16
    return model


def deep_eonade(number: int) -> EoNADE:
    model: EoNADE = sharpened(EoNADE(72, 9, 3, levels=4, shape=(3, ROWS, COLUMNS)), number)
    for parameter in (*model.deeper, model.output):
        parameter.data *= 0.3
    return model


def rnade(number: int) -> RNADE:
    return RNADE(23, 10, 3, seed=number).standardise(np.random.default_rng(number).normal(2, 3, (9, 23)))


def in_float64(model: Any) -> Any:
    """The same parameters in float64, where lanes are computed one by one."""
    return type(model).from_weights(model.weights()).double()


def trained(model: Any) -> None:
    """Change every parameter."""
    for parameter in model.parameters():
        parameter.data.mul_(-2.0)


def orders(size: int) -> tuple[np.ndarray, ...]:
    """Two orders that are not raster order."""
    return np.arange(size)[::-1].copy(), np.random.default_rng(0).permutation(size)


def known_anywhere(colours: int, levels: int) -> tuple[np.ndarray, ...]:
    """Three prompts with known pixels all over the image."""
    noise = np.random.default_rng(1)
    shape = (3, colours, ROWS, COLUMNS)
    return tuple(np.where(noise.random(shape) < 0.4, noise.integers(0, levels, shape), -1))


def softened(model: Any) -> None:
    """Change every parameter, without making a density that runs away."""
    for parameter in model.parameters():
        parameter.data.mul_(0.5)


NADE_CASE: dict[str, Any] = {"exact": in_float64, "retrain": trained}

NADE_CASES = [
    Case(
        "fvsbn",
        fvsbn,
        total=all_images(lambda: in_float64(sharpened(FVSBN(9), 5)), (1, 3, 3)),
        **NADE_CASE | image_case(),
    ),
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
    Case(
        "eonade",
        eonade,
        total=all_images(
            lambda: in_float64(sharpened(EoNADE(9, 6), 5)), (1, 3, 3), condition=(3, 1, 4, 0, 5, 2, 6, 8, 7)
        ),
        conditions=orders(24),
        **NADE_CASE | image_case() | {"prompts": known_anywhere(1, 2)},
    ),
    Case(
        "eonade-deep",
        deep_eonade,
        conditions=orders(72),
        **NADE_CASE | image_case(3, 4) | {"prompts": known_anywhere(3, 4)},
    ),
    Case(
        "rnade",
        rnade,
        prompts=tuple(np.where(np.arange(23) < known, 1.5, np.nan) for known in (1, 5, 20)),
        tolerance=1e-4,
        ends=True,
        exact=in_float64,
        retrain=softened,
    ),
]
