"""RNADE: vectors of real numbers."""

from __future__ import annotations

import numpy as np

from seqgen.models.rnade.model import RNADE
from tests.conformance.case import Case
from tests.conformance.parameters import in_float64


def rnade(number: int) -> RNADE:
    return RNADE(23, 10, 3, seed=number).standardise(np.random.default_rng(number).normal(2, 3, (9, 23)))


def softened(model: RNADE) -> None:
    """Change every parameter, but keep the density bounded."""
    for parameter in model.parameters():
        parameter.data.mul_(0.5)


CASES = [
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
