"""The model of a reference sampler: a private copy, so that further training does not change it."""

from __future__ import annotations

from typing import Any

import torch

from seqgen.checkpoint import Weights, from_bfloat16, to_bfloat16
from seqgen.engine import Request
from seqgen.registry import family


def private_model(weights: Weights, request: Request, model: Any) -> Any:
    """Return the model of `weights`, on the device of `model` if given, without gradients.

    Its dtype is that of the weights; precision "bfloat16" rounds them.
    """
    arrays = dict(weights.arrays)
    if request.precision == "bfloat16":
        arrays = {
            name: from_bfloat16(to_bfloat16(array)).astype(array.dtype).reshape(array.shape)
            for name, array in arrays.items()
        }
    copy = family(weights.family).model_class().from_weights(Weights(weights.family, weights.config, arrays))
    device = torch.device("cpu") if model is None else next(model.parameters()).device
    return copy.requires_grad_(False).to(device)
