"""Changes that cases make to the parameters of their PyTorch models."""

from __future__ import annotations

from typing import Any

import torch


def sharpened(model: Any, number: int, *, bfloat16: bool = False) -> Any:
    """Return the model with all parameters redrawn, wide enough that its distribution is far from flat."""
    generator = torch.Generator().manual_seed(number)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
        if bfloat16:
            parameter.data = parameter.data.bfloat16().float()
    return model


def in_float64(model: Any) -> Any:
    """Return the same parameters in float64, where the reference engine's products do not depend on the batch."""
    return type(model).from_weights(model.weights()).double()


def trained(model: Any) -> None:
    """Change every parameter in place, as training does."""
    for parameter in model.parameters():
        parameter.data.mul_(-2.0)
