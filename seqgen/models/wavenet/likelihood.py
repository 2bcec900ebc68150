"""The exact likelihood of recordings under a WaveNet, computed in blocks of time to bound the memory.

Shapes: B recordings of T samples, F frames of M features, H local channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from seqgen.conditions.audio import ArrayFrames, AudioConditions, FrameSource
from seqgen.errors import SeqgenError
from seqgen.models.wavenet.layers import Past
from seqgen.models.wavenet.outputs import log_probs

_MOST_NUMBERS = 1 << 24

Condition = tuple[np.ndarray, FrameSource | None]


class Network(Protocol):
    """The protocol of `WaveNet` that the likelihood needs."""

    conditions: AudioConditions
    hop: int | None
    gate_channels: int
    output_kind: str
    layers: nn.ModuleList
    skip: nn.Linear
    output: nn.Linear

    def advance(
        self,
        x: Tensor,
        past: Past | None = None,
        global_condition: Tensor | None = None,
        frames: Tensor | None = None,
    ) -> tuple[Tensor, Past]: ...

    def frame_channels(self, features: Tensor) -> Tensor: ...


def score(model: Network, given: np.ndarray, rows: np.ndarray, conditions: Sequence[Condition]) -> Tensor:
    """Return log-probabilities (B,) float64 of symbols `rows` (B, T), each after `given` and under its condition."""
    like = model.skip.weight
    count, length = rows.shape
    global_condition = None
    if model.conditions.global_width:
        global_condition = torch.as_tensor(
            np.stack([global_condition for global_condition, _ in conditions])
        ).to(like)
    hop = model.hop or 1
    frames = (
        None if model.hop is None else _frames(model, [source for _, source in conditions], -(-length // hop))
    )
    widest = max(len(model.layers) * model.gate_channels, model.output.out_features)
    block = max(1024, _MOST_NUMBERS // (count * widest))
    block += -block % hop
    past: Past | None = None
    for begin in range(0, len(given), block):
        before = torch.as_tensor(given[begin : begin + block], device=like.device).expand(count, -1)
        past = model.advance(before, past, global_condition)[1]
    total = torch.zeros(count, dtype=torch.float64, device=like.device)
    for begin in range(0, length, block):
        x = torch.as_tensor(rows[:, begin : begin + block], device=like.device)
        raw, past = model.advance(
            x, past, global_condition, None if frames is None else frames[:, begin // hop :]
        )
        total = total + log_probs(model.output_kind, raw.double(), x).sum(1)
    return total


def _frames(model: Network, sources: Sequence[FrameSource | None], wanted: int) -> Tensor:
    """Return the channels of the first `wanted` frames and of the next one, or the last repeated: (B, F + 1, H)."""
    taken = []
    for source in sources:
        assert source is not None
        # two more, because the convolution over frames reads both neighbours
        if isinstance(source, ArrayFrames):
            array = source.array[: wanted + 2]
        else:
            array = model.conditions.checked_frames(np.asarray(source.read(0, wanted + 2)))
        if len(array) < wanted:
            raise SeqgenError(
                f"condition's features end early: {len(array)} frames of {model.hop} samples, the recording needs "
                f"{wanted}"
            )
        tensor = torch.as_tensor(array).to(model.skip.weight)
        channels = model.frame_channels(pad(tensor, (0, 0, 1, 1))[None])[0]
        after = min(wanted, len(array) - 1)
        taken.append(torch.cat([channels[:wanted], channels[after : after + 1]]))
    return torch.stack(taken)


def of_equal_length(rows: Sequence[np.ndarray]) -> list[list[int]]:
    """Group the numbers of the rows by length."""
    by_length: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(number)
    return list(by_length.values())
