"""The draw of the reference samplers, in numpy: controls, inverse CDF, and both log-probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen import rng
from seqgen.controls import log_softmax
from seqgen.engines.lane_controls import LaneControls


class Drawn(NamedTuple):
    """Drawn symbols (...) int64, and their log-probabilities (2, ...) under the model and as drawn."""

    symbols: np.ndarray
    log_probs: np.ndarray


def draw_symbols(controls: LaneControls, lane: int, logits: np.ndarray, uniforms: np.ndarray) -> Drawn:
    """Draw symbols of a lane after its controls; the set of seen symbols is not updated.

    Args:
        logits: (..., V) unnormalised log-probabilities. uniforms: (...) in (0, 1).

    Raises:
        SeqgenError: if the controls leave no symbol to draw.
    """
    drawn = controls.of(lane).apply(logits, controls.seen[lane])
    symbols = rng.categorical(np.exp(drawn), uniforms)
    both = np.stack([log_softmax(logits), drawn])
    return Drawn(symbols, np.take_along_axis(both, symbols[None, ..., None], -1)[..., 0])
