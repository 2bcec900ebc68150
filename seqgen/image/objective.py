"""The likelihood objective of image models: nats per dimension, on batches that are a function of the step."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqgen.data.images import ImageSet, binarize, to_levels
from seqgen.errors import SeqgenError
from seqgen.image.augmenting import jitter
from seqgen.training.batches import Batches

LN2 = float(np.log(2.0))


class ImageObjective:
    """Training and held-out images for any model with `log_prob(levels, condition=..., grad=True)`.

    For a model of two levels, the images of every batch are binarized with new random numbers (each pixel is 1 with the
    probability of its intensity), which augments a small data set; validation uses one fixed binarization.

    Args:
        train, held_out: intensities. levels: those of the model. batch: images per step. seed: seed of all randomness.
        conditional: whether the labels are the condition. augment: fraction of the images of a batch that are
            augmented.
        unit: unit of the score, for a model with its own `score`; None is `score_unit(levels)`.
    """

    def __init__(
        self, train: ImageSet, held_out: ImageSet, *, levels: int, batch: int, seed: int, conditional: bool,
        augment: float = 0.0, unit: str | None = None,
    ) -> None:  # fmt: skip
        if len(train) < batch or not len(held_out):
            raise SeqgenError(
                f"there are {len(train)} images to train on and {len(held_out)} held out; batch={batch} and a "
                "score need at least that many and one"
            )
        if conditional and (train.labels is None or held_out.labels is None):
            raise SeqgenError("a class-conditional model needs labels; give a data set that has them")
        self._train, self._levels, self._seed = train, levels, seed
        self._conditional, self._augment = conditional, augment
        self._held_out = fixed_levels(held_out.images, levels, seed)
        self._held_out_labels = held_out.labels
        self.unit = unit or score_unit(levels)
        # an error is in its own unit; likelihoods are per dimension, and their scores per image or in bits
        units = {"nats/image": float(train.images[0].size), "bits/dim": 1.0 / LN2}
        self.scale = next((scale for name, scale in units.items() if self.unit.startswith(name)), 1.0)
        digest = hashlib.sha256(train.images.tobytes())
        digest.update(self._held_out.tobytes())
        self.fingerprint = digest.hexdigest()[:16]
        self._batches = Batches(len(train), batch, seed)

    def loss(self, model: nn.Module, step: int, carry: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean nats per dimension of a step."""
        rows = self._batches.rows(step)
        noise = torch.Generator().manual_seed((self._seed << 32) + step)
        images = self._train.images[rows]
        if self._augment:
            changed = torch.rand(len(images), generator=noise).numpy() < self._augment
            images = np.where(changed[:, None, None, None], jitter(images, noise), images)
        if self._levels == 2:
            levels = (torch.rand(images.shape, generator=noise).numpy() * 255.0 < images).astype(np.uint8)
        else:
            levels = to_levels(images, self._levels)
        condition = self._train.labels[rows] if self._conditional and self._train.labels is not None else None
        return training_loss(model, levels, condition, noise), {}

    @torch.no_grad()
    def validate(self, model: nn.Module) -> float:
        """Return the held-out score: nats per image for two levels, bits per dimension for more."""
        labels = self._held_out_labels if self._conditional else None
        return score(model, self._held_out, labels, self._levels)


def training_loss(
    model: Any, levels: np.ndarray, condition: np.ndarray | None, noise: torch.Generator
) -> Tensor:
    """Return the mean nats per dimension, with dropout if the model has its own `training_loss`."""
    if hasattr(model, "training_loss"):
        loss: Tensor = model.training_loss(levels, condition=condition, dropout_generator=noise)
        return loss
    given = {} if condition is None else {"condition": condition}
    scores = model.log_prob(levels, grad=True, **given)
    return -scores.mean() / levels[0].size


def fixed_levels(images: np.ndarray, levels: int, seed: int) -> np.ndarray:
    """Convert intensities to levels for evaluation: one binarization by the seed, or the nearest levels."""
    return binarize(images, seed) if levels == 2 else to_levels(images, levels)


def score_unit(levels: int) -> str:
    """Return the unit of `score`."""
    return "nats/image" if levels == 2 else "bits/dim"


def score(model: Any, levels_of: np.ndarray, labels: np.ndarray | None, levels: int) -> float:
    """Return the mean negative log-likelihood of images in `score_unit(levels)`, or the model's own `score`."""
    if hasattr(model, "score"):
        return float(model.score(levels_of, labels))
    given = {} if labels is None else {"condition": labels}
    nats = -float(model.log_prob(levels_of, **given).mean())
    return nats if levels == 2 else nats / (levels_of[0].size * LN2)
