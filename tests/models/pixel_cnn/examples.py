"""Small PixelCNNs that are far from flat, and the naive sampler, with which others are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqgen import rng
from seqgen.models.pixel_cnn.model import PixelCNN


def sharpened(model: PixelCNN, factor: float = 3.0) -> PixelCNN:
    """Return the model with larger weights and with biases that are not small."""
    generator = torch.Generator().manual_seed(9)
    for name, parameter in model.named_parameters():
        parameter.data *= factor if "weight" in name else 1.0
        if "bias" in name:
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


@torch.no_grad()
def naive_sample(
    model: PixelCNN, seed: int, index: int, condition: Any = None, prompt: np.ndarray | None = None
) -> np.ndarray:
    """Draw one image (C, H, W) by a full forward pass per pixel and colour, with the engines' random numbers."""
    colours, rows, columns = model.codec.shape
    given = model.conditions.tensors(condition, 1, model.parameter_like())
    image = torch.zeros((1, colours, rows, columns), dtype=torch.int64)
    for position in range(rows * columns * colours):
        pixel, c = divmod(position, colours)
        h, w = divmod(pixel, columns)
        if prompt is not None and prompt[c, h, w] >= 0:
            image[0, c, h, w] = int(prompt[c, h, w])
            continue
        probabilities = torch.softmax(model(image, given)[0, c, :, h, w].double(), 0)
        uniform = rng.uniforms(seed, index, position, rng.Purpose.TOKEN)
        image[0, c, h, w] = int(rng.categorical(probabilities.numpy(), uniform))
    return image[0].numpy()
