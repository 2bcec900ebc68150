"""The range of the features that a model was trained on, and the warning for features that are far outside of it.

Features in other units, such as decibels or natural logarithms, have the right shape, and the model makes noise of
them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from seqgen.data.mel import FORMULA, RANGE
from seqgen.errors import SeqgenWarning

_MARGIN = 0.25  # of the range: recordings differ in loudness, units by much more


class FeatureRange(NamedTuple):
    """The smallest and the largest number in the features of the training data, and how these were computed."""

    low: float
    high: float
    described: str = ""

    def warn_outside(self, frames: np.ndarray) -> bool:
        """Issue a SeqgenWarning, and return True, if frames (F, M) leave the range by more than a quarter of it."""
        if not frames.size:
            return False
        low, high = float(frames.min()), float(frames.max())
        room = _MARGIN * (self.high - self.low)
        if low >= self.low - room and high <= self.high + room:
            return False
        how = f", {self.described}" if self.described else ""
        warnings.warn(
            f"the features are from {low:.4g} to {high:.4g}, and the model was trained on features from {self.low:.4g} "
            f"to {self.high:.4g}{how}; are they in other units?",
            SeqgenWarning,
            stacklevel=3,
        )
        return True


def feature_range(card: Mapping[str, Any]) -> FeatureRange | None:
    """Return the range in a model's card; None if the card does not tell.

    A card without the entry "feature_range" may describe the features as those of `seqgen.data.mel`, whose range is
    known.
    """
    described = card.get("features")
    described = described if isinstance(described, str) else ""
    given = card.get("feature_range")
    if isinstance(given, (list, tuple)) and len(given) == 2:
        numbers = [float(value) for value in given if type(value) in (int, float) and math.isfinite(value)]
        if len(numbers) == 2 and numbers[0] < numbers[1]:
            return FeatureRange(numbers[0], numbers[1], described)
    return FeatureRange(*RANGE, described) if described.startswith(FORMULA) else None
