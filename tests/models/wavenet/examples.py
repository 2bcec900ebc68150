"""Small WaveNets of every kind, and their inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqgen import WaveNet

MELS, HOP = 4, 6


def small(double: bool = True, **arguments: Any) -> WaveNet:
    """Return a network whose parameters are all redrawn, so that none of them is zero."""
    model = WaveNet(
        **{"layers": 5, "cycle": 3, "residual_channels": 6, "gate_channels": 8, "skip_channels": 7}
        | arguments
    )
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = 0.4 * torch.randn(parameter.shape, generator=generator)
    return model.double() if double else model


def sound(model: WaveNet, length: int, seed: int = 0) -> np.ndarray:
    """Return symbols of the model, (T,)."""
    draw = np.random.default_rng(seed)
    if model.output_kind == "categorical":
        return draw.integers(0, model.codec.size, length)
    quiet = draw.normal(size=length).clip(-3, 3) * 0.2
    return model.codec.encode(quiet.astype(np.float32))


def features(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, MELS)).astype(np.float32)


KINDS: dict[str, dict[str, Any]] = {
    "categorical": {"levels": 5},
    "logistics": {"output": "logistics", "mixtures": 3},
    "gaussian": {"output": "gaussian", "mixtures": 2},
}
LOCAL: dict[str, Any] = {"levels": 5, "mels": MELS, "hop": HOP, "local_channels": 3}
CONDITIONS: dict[str, dict[str, Any]] = {
    "nearest": LOCAL,
    "learned": {**LOCAL, "upsampling": "learned"},
    "class and vector": {"levels": 5, "classes": 3, "condition_size": 2},
    "all": {**LOCAL, "upsampling": "learned", "classes": 3, "condition_size": 2, "kernel_size": 3},
}


def condition_of(model: WaveNet, frames: int, seed: int = 0) -> dict[str, Any]:
    given = {"class": 1 + seed % 2, "vector": [0.5, -1.0 + seed], "features": features(frames, seed)}
    return {kind: given[kind] for kind in model.conditions.kinds}
