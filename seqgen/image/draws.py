"""Drawing of pixels for the reference engines of image models, in numpy."""

from __future__ import annotations

import numpy as np

from seqgen import rng
from seqgen.controls import log_softmax
from seqgen.image.engine import PixelEngine


def draw_levels(
    engine: PixelEngine, lane: int, logits: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw pixels of a lane with its controls.

    Args:
        engine: provides the seed, the sample indices and the controls.
        logits: (..., L) float64.
        positions: (...) uint64, in raster order (`pixels.positions`).

    Returns:
        Levels (...) int64, and their log-probabilities (...) under the model and as drawn.

    Raises:
        SeqgenError: if the controls leave no level to draw.
    """
    drawn = engine.controls.of(lane).apply(logits)
    places = positions + np.uint64(engine.noise_offset)
    uniforms = rng.uniforms(engine.request.seed, engine.index[lane], places, rng.Purpose.TOKEN)
    levels = rng.categorical(np.exp(drawn), uniforms)
    chosen = levels[..., None]
    under_model = np.take_along_axis(log_softmax(logits), chosen, -1)[..., 0]
    return levels, under_model, np.take_along_axis(drawn, chosen, -1)[..., 0]
