"""What the reference samplers of image models share: a private copy of the model, and the draw, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqgen import rng
from seqgen.checkpoint import Weights, from_bfloat16, to_bfloat16
from seqgen.controls import log_softmax
from seqgen.engines.base import Request
from seqgen.engines.pixels import PixelEngine
from seqgen.families import family


def private_model(weights: Weights, request: Request, model: Any) -> Any:
    """A model that nobody trains further, on the device of `model` if there is one, without gradients.

    Its dtype is that of the weights; precision "bfloat16" rounds them.
    """
    arrays = dict(weights.arrays)
    if request.precision == "bfloat16":
        arrays = {
            name: from_bfloat16(to_bfloat16(array)).astype(array.dtype).reshape(array.shape)
            for name, array in arrays.items()
        }
    copy = family(weights.family).model_class().from_weights(Weights(weights.family, weights.config, arrays))
    device = torch.device("cpu") if model is None else model.parameter_like().device
    return copy.requires_grad_(False).to(device)


def draw_levels(
    engine: PixelEngine, lane: int, logits: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw pixels of a lane after its controls.

    Args:
        engine: has the seed, the sample's index and the controls.
        logits: (..., L) float64.
        positions: (...) uint64, in raster order (`pixels.positions`).

    Returns:
        levels (...) int64, and their log-probabilities (...) under the model and as drawn.

    Raises:
        SeqgenError: if the controls leave nothing to draw.
    """
    drawn = engine.controls.of(lane).apply(logits)
    places = positions + np.uint64(engine.noise_offset)
    uniforms = rng.uniforms(engine.request.seed, engine.index[lane], places, rng.Purpose.TOKEN)
    levels = rng.categorical(np.exp(drawn), uniforms)
    chosen = levels[..., None]
    under_model = np.take_along_axis(log_softmax(logits), chosen, -1)[..., 0]
    return levels, under_model, np.take_along_axis(drawn, chosen, -1)[..., 0]
