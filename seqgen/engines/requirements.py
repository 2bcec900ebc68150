"""Checks shared by engines: finite parameters, and conditions of models without conditions."""

from __future__ import annotations

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Start
from seqgen.errors import SeqgenError


def require_finite(weights: Weights) -> None:
    """Raise SeqgenError, naming the parameter, if one contains NaN or infinity."""

    def check() -> None:
        for name, array in weights.arrays.items():
            if not np.all(np.isfinite(array)):
                raise SeqgenError(
                    f"the model's parameter {name} is not finite; it was damaged or its training diverged"
                )

    weights.once("finite", check)


def require_no_condition(start: Start) -> None:
    """Raise SeqgenError if a sample has a condition; for families that take only prompts."""
    if start.condition is not None:
        raise SeqgenError(
            f"condition cannot act on this model, got {start.condition!r}; give the start of a sample as its prompt"
        )
