"""The recipe of `seqgen train rnade`: vectors in, a density of them with its card out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqgen.data.arrays import hold_out, read_vectors
from seqgen.errors import SeqgenError
from seqgen.models.rnade.model import RNADE
from seqgen.training.batches import Batches
from seqgen.training.checkpointed import Report, train_to_checkpoint
from seqgen.training.loop import Progress, TrainingConfig
from seqgen.training.request import command, require_output, with_preset
from seqgen.training.settings import split_settings

MODEL_DEFAULTS: dict[str, Any] = {"hidden_size": 50, "components": 10}
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 16, "components": 4, "steps": 200, "warmup": 20},
}


def train_rnade(
    data: Path,
    output: Path,
    *,
    preset: str = "default",
    settings: dict[str, Any] | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    card: dict[str, Any] | None = None,
    report: Report | None = None,
) -> tuple[RNADE, dict[str, Any], Progress]:
    """Train an `RNADE` on real vectors; the last tenth is held out for the score.

    The network sees numbers of mean 0 and deviation 1. That map is a part of the model (`RNADE.standardise`), so
    that samples and densities are in the data's own units. As it needs more digits than bfloat16 has, the
    checkpoint is in float32.

    Args:
        data: what `read_vectors` reads. output: where the checkpoint goes, ending in .safetensors.
        preset: "default" or "tiny". settings: hidden_size, components, and fields of `TrainingConfig`.
        resume, stop_after, report: as in `train_to_checkpoint`. card: what else to say in the card.

    Returns:
        the model, its card and the record of the run.

    Raises:
        SeqgenError, ValueError: for data or settings that cannot be used.
    """
    require_output(output)
    chosen = with_preset(PRESETS, preset, settings)
    own, config = split_settings(chosen, MODEL_DEFAULTS, TrainingConfig)
    before, after, split = hold_out([read_vectors(data)])
    model = RNADE(before[0].shape[1], **own, seed=config.seed).standardise(before[0])
    return train_to_checkpoint(
        model,
        VectorObjective(before[0], after[0], batch=config.batch, seed=config.seed),
        config,
        output,
        precision="float32",
        resume=resume,
        stop_after=stop_after,
        report=report,
        card={
            "data": data.name,
            "licence": "that of the data",
            "split": split,
            "command": command("rnade", data, output, settings or {}, preset),
            **(card or {}),
        },
    )


class VectorObjective:
    """Vectors for any model with `log_prob(vectors, grad=True)`; the score is in nats per vector.

    Args:
        train, held_out: (N, D) float64. batch: vectors in a step. seed: of their order.
    """

    unit = "nats/vector"

    def __init__(self, train: np.ndarray, held_out: np.ndarray, *, batch: int, seed: int) -> None:
        if len(train) < batch:
            raise SeqgenError(
                f"there are {len(train)} vectors to train on, fewer than batch={batch}; give more, or a smaller batch"
            )
        self._train, self._held_out = train, held_out
        self._batches = Batches(len(train), batch, seed)
        self.fingerprint = hashlib.sha256(train.tobytes() + held_out.tobytes()).hexdigest()[:16]

    def loss(self, model: Any, step: int, carry: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean nats per dimension of step `step`."""
        vectors = self._train[self._batches.rows(step)]
        return -model.log_prob(vectors, grad=True).mean() / vectors.shape[1], {}

    @torch.no_grad()
    def validate(self, model: Any) -> float:
        """Mean nats of a held-out vector."""
        return -float(model.log_prob(self._held_out).mean())
