"""WaveNets: every output, kernels of two and three taps, class, vector and features, float32 and bfloat16 weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from seqgen import Controls, WaveNet
from tests.conformance.case import Case, all_of_length
from tests.conformance.parameters import in_float64

HOP, FRAMES, MELS = 5, 7, 3


def wavenet(*, bfloat16: bool = False, **arguments: Any) -> Callable[[int], WaveNet]:
    """Return a small network with all parameters redrawn, wide enough that its distribution is far from flat."""

    def make(number: int) -> WaveNet:
        model = WaveNet(5, 3, 10, 12, 9, **arguments)
        generator = torch.Generator().manual_seed(number)
        for parameter in model.parameters():
            parameter.data = 0.4 * torch.randn(parameter.shape, generator=generator)
            if bfloat16:
                parameter.data = parameter.data.bfloat16().float()
        if model.output_kind != "categorical":
            # within [-1, 1], beyond which the output is clipped
            model.output.weight.data *= 0.25
            model.output.bias.data[-model.mixtures :] -= 3.0
            model.output.bias.data[: -model.mixtures] *= 0.25
        return model

    return make


def trained(model: WaveNet) -> None:
    """Change every parameter."""
    for parameter in model.parameters():
        parameter.data.mul_(-0.9)


def features(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(FRAMES, MELS)).astype(np.float32)


WAVENET_CASE: dict[str, Any] = {"exact": in_float64, "tolerance": 1e-5, "retrain": trained}
SOUNDS = tuple(np.sin(np.arange(length) * 0.7).astype(np.float32) for length in (1, 9, 40))
CONDITIONS = tuple({"class": k % 2, "vector": (0.5 * k, -1.0), "features": features(k)} for k in range(3))

CASES = [
    Case(
        "wavenet",
        wavenet(levels=6),
        prompts=SOUNDS,
        unknown=np.array([0.5, 1.5], np.float32),
        controls=(
            Controls(temperature=0.6, top_k=3, repetition_penalty=1.3),
            Controls(allowed=np.array([0, 2, 3, 5]), top_p=0.93, min_p=0.02, typical_p=0.9),
        ),
        total=all_of_length(4),
        **WAVENET_CASE,
    ),
    Case(
        "wavenet-conditioned",
        wavenet(
            levels=6, kernel_size=3, classes=2, condition_size=2, mels=MELS, hop=HOP, upsampling="learned",
            bfloat16=True,
        ),
        prompts=SOUNDS,
        controls=(Controls(temperature=0.5), Controls(top_k=2, repetition_penalty=0.7)),
        conditions=CONDITIONS,
        required={"condition": CONDITIONS[0]},
        ends=True,
        **WAVENET_CASE,
    ),
    Case("wavenet-logistics", wavenet(output="logistics", mixtures=2), prompts=SOUNDS, **WAVENET_CASE),
    Case("wavenet-gaussian", wavenet(output="gaussian", kernel_size=3), prompts=SOUNDS, **WAVENET_CASE),
]  # fmt: skip
