"""The likelihood objective for real vectors: nats per dimension, on batches that are a function of the step."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqgen.errors import SeqgenError
from seqgen.training.batches import Batches


class VectorObjective:
    """Training vectors for any model with `log_prob(vectors, grad=True)`; the score is in nats per vector.

    Args:
        train, held_out: (N, D) float64. batch: vectors per step. seed: seed of their order.
    """

    unit = "nats/vector"

    def __init__(self, train: np.ndarray, held_out: np.ndarray, *, batch: int, seed: int) -> None:
        if len(train) < batch:
            raise SeqgenError(
                f"there are {len(train)} vectors to train on, fewer than batch={batch}; give more, or a smaller batch"
            )
        self._train, self._held_out = train, held_out
        self.scale = float(train.shape[1])
        self._batches = Batches(len(train), batch, seed)
        self.fingerprint = hashlib.sha256(train.tobytes() + held_out.tobytes()).hexdigest()[:16]

    def loss(self, model: Any, step: int, carry: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean nats per dimension of a step."""
        vectors = self._train[self._batches.rows(step)]
        return -model.log_prob(vectors, grad=True).mean() / vectors.shape[1], {}

    @torch.no_grad()
    def validate(self, model: Any) -> float:
        """Return the mean nats per held-out vector."""
        return -float(model.log_prob(self._held_out).mean())
