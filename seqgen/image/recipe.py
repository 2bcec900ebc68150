"""The recipes of `seqgen train` for image models: a data set in, a checkpoint with its card out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqgen.data.images import Splits, read_splits
from seqgen.errors import SeqgenError, real
from seqgen.image.objective import ImageObjective, fixed_levels, score
from seqgen.registry import resolve
from seqgen.training.checkpointed import Report, train_to_checkpoint
from seqgen.training.loop import Progress, TrainingConfig
from seqgen.training.request import command, require_output, with_preset
from seqgen.training.settings import split_settings


@dataclass(frozen=True)
class ImageRecipe:
    """How one family is trained.

    Attributes:
        build: "module:name" of a function (shape, classes, settings) -> model.
        defaults: the model's settings; "levels" and "conditional" are known to all.
        presets: named settings of model and training.
    """

    build: str
    defaults: dict[str, Any]
    presets: dict[str, dict[str, Any]]


def pixel_cnn(shape: tuple[int, ...], classes: int | None, settings: dict[str, Any]) -> Any:
    """A `PixelCNN` for channels-last training."""
    import torch

    from seqgen.models.pixel_cnn.model import PixelCNN

    return PixelCNN(shape, classes=classes, **settings).to(memory_format=torch.channels_last)


def pixel_cnn_pp(shape: tuple[int, ...], classes: int | None, settings: dict[str, Any]) -> Any:
    """A `PixelCNNpp` for channels-last training."""
    import torch

    from seqgen.models.pixel_cnn_pp.model import PixelCNNpp

    return PixelCNNpp(shape, classes=classes, **settings).to(memory_format=torch.channels_last)


def pixel_rnn(shape: tuple[int, ...], classes: int | None, settings: dict[str, Any]) -> Any:
    """A `PixelRNN`."""
    from seqgen.models.pixel_rnn.model import PixelRNN

    refuse_classes("pixel-rnn", classes)
    return PixelRNN(shape, **settings)


_CODED_DIGITS: dict[str, Any] = {"steps": 3000, "learning_rate": 2e-3, "warmup": 200, "validate_every": 500}
_CODED_FASHION: dict[str, Any] = {**_CODED_DIGITS, "steps": 5600, "validate_every": 800}
IMAGE_RECIPES: dict[str, ImageRecipe] = {
    "pixel-cnn": ImageRecipe(
        "seqgen.image.recipe:pixel_cnn",
        {
            "levels": 2, "channels": 64, "layers": 7, "position": False, "gated": True, "kernel_size": 3,
            "dropout": 0.0,
        },
        {
            "tiny": {"channels": 16, "layers": 3, "steps": 100, "batch": 16, "warmup": 20},
            "digits": {
                "position": True, "dropout": 0.2, "augment": 0.5, "steps": 9000, "learning_rate": 2e-3, "warmup": 200,
                "validate_every": 1000,
            },
            "fashion": {
                "levels": 16, "layers": 5, "position": True, "conditional": True, "steps": 3600,
                "learning_rate": 2e-3, "warmup": 200, "validate_every": 600,
            },
        },
    ),
    "pixel-rnn": ImageRecipe(
        "seqgen.image.recipe:pixel_rnn",
        {"levels": 2, "channels": 32, "layers": 2, "kind": "row", "kernel_size": 3, "dropout": 0.0},
        {
            "tiny": {"channels": 8, "layers": 1, "steps": 100, "batch": 16, "warmup": 20},
            "digits": {
                "kind": "diagonal", "dropout": 0.1, "steps": 4000, "learning_rate": 3e-3, "warmup": 200,
                "validate_every": 500,
            },
        },
    ),
    "pixel-cnn-pp": ImageRecipe(
        "seqgen.image.recipe:pixel_cnn_pp",
        {"levels": 256, "channels": 32, "blocks": 2, "scales": 3, "mixtures": 10, "dropout": 0.0},
        {
            "tiny": {
                "channels": 8, "blocks": 1, "scales": 2, "mixtures": 3, "steps": 100, "batch": 16, "warmup": 20,
            },
            "fashion": {
                "conditional": True, "dropout": 0.1, "steps": 6000, "batch": 16, "learning_rate": 2e-3,
                "warmup": 200, "validate_every": 1000,
            },
        },
    ),
    "fvsbn": ImageRecipe(
        "seqgen.training.nade_recipes:fvsbn",
        {"levels": 2},
        {
            "tiny": {"steps": 200, "warmup": 20},
            "digits": {
                "steps": 4000, "batch": 64, "learning_rate": 1e-2, "warmup": 200, "weight_decay": 0.0,
                "validate_every": 500,
            },
        },
    ),
    "nade": ImageRecipe(
        "seqgen.training.nade_recipes:nade",
        {"levels": 2, "hidden_size": 200},
        {
            "tiny": {"hidden_size": 16, "steps": 100, "batch": 16, "warmup": 20},
            "digits": {"steps": 7000, "batch": 64, "learning_rate": 5e-3, "warmup": 200, "validate_every": 500},
        },
    ),
    "eonade": ImageRecipe(
        "seqgen.training.nade_recipes:eonade",
        {"levels": 2, "hidden_size": 500, "layers": 1},
        {
            "tiny": {"hidden_size": 16, "steps": 100, "batch": 16, "warmup": 20},
            "digits": {"steps": 8000, "batch": 64, "learning_rate": 2e-3, "warmup": 200, "validate_every": 1000},
        },
    ),
    "two-scale": ImageRecipe(
        "seqgen.training.composed:two_scale",
        {
            "levels": 2, "factor": 2, "channels": 64, "layers": 7, "small_channels": 32, "small_layers": 4,
            "dropout": 0.0,
        },
        {
            "tiny": {
                "channels": 16, "layers": 3, "small_channels": 8, "small_layers": 2, "steps": 100, "batch": 16,
                "warmup": 20,
            },
            "digits": {"dropout": 0.1, "steps": 5500, "learning_rate": 2e-3, "warmup": 200, "validate_every": 500},
            "fashion": {
                "levels": 16, "layers": 5, "conditional": True, "steps": 3600, "learning_rate": 2e-3,
                "warmup": 200, "validate_every": 600,
            },
        },
    ),
    "pixel-cnn-autoencoder": ImageRecipe(
        "seqgen.training.composed:pixel_cnn_autoencoder",
        {
            "levels": 2, "bottleneck": 10, "channels": 64, "layers": 7, "position": True, "encoder_channels": 32,
            "dropout": 0.0,
        },
        {
            "tiny": {
                "channels": 16, "layers": 3, "encoder_channels": 8, "steps": 100, "batch": 16, "warmup": 20,
            },
            "digits": _CODED_DIGITS,
            "digits-100": {"bottleneck": 100, **_CODED_DIGITS},
            "fashion": {"levels": 16, "layers": 5, **_CODED_FASHION},
            "fashion-100": {"levels": 16, "layers": 5, "bottleneck": 100, **_CODED_FASHION},
        },
    ),
    "autoencoder": ImageRecipe(
        "seqgen.training.composed:autoencoder",
        {"levels": 2, "bottleneck": 10, "channels": 32},
        {
            "tiny": {"channels": 8, "steps": 100, "batch": 16, "warmup": 20},
            "digits": _CODED_DIGITS,
            "digits-100": {"bottleneck": 100, **_CODED_DIGITS},
            "fashion": {"levels": 16, **_CODED_FASHION},
            "fashion-100": {"levels": 16, "bottleneck": 100, **_CODED_FASHION},
        },
    ),
}  # fmt: skip
COMMON: dict[str, Any] = {
    "levels": 2, "conditional": False, "fraction": 1.0, "augment": 0.0, "size": 0, "colours": 0,
}  # fmt: skip


def train_images(
    family: str,
    data: Path,
    output: Path,
    *,
    preset: str = "default",
    settings: dict[str, Any] | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    card: dict[str, Any] | None = None,
    report: Report | None = None,
) -> tuple[Any, dict[str, Any], Progress]:
    """Train an image model of `family`; the score is that of the test images.

    Args:
        data: what `read_splits` reads. output: where the checkpoint goes, ending in .safetensors.
        preset: "default" or one of the recipe's. settings: fields of the model and of `TrainingConfig`, and
            "levels", "conditional" (on the labels), "fraction" (of the training images to use), "augment" (part
            of them to turn, scale, shear and move a little), "size" and "colours" of the images (0 is as they are).
        resume, stop_after, report: as in `train_to_checkpoint`. card: what else to say in the card.

    Returns:
        the model, its card and the record of the run.
    """
    require_output(output)
    recipe = IMAGE_RECIPES[family]
    chosen = with_preset(recipe.presets, preset, settings)
    own, config = split_settings(chosen, COMMON | recipe.defaults, TrainingConfig)
    conditional, fraction, augment = (own.pop(name) for name in ("conditional", "fraction", "augment"))
    if not 0.0 < fraction <= 1.0:
        raise ValueError(f"fraction must be above 0 and at most 1, got {fraction}")
    real("augment", augment, low=0.0, high=1.0)
    wanted = {name: own.pop(name) for name in ("size", "colours")}
    splits = read_splits(data, config.seed, **{name: value for name, value in wanted.items() if value})
    train = splits.train.take(np.arange(max(1, round(fraction * len(splits.train)))))
    classes = class_count(splits) if conditional else None
    levels = own["levels"]
    build: Callable[..., Any] = resolve(recipe.build)
    model = build(train.images.shape[1:], classes, {**own, "seed": config.seed})
    objective = ImageObjective(
        train, splits.validation, levels=levels, batch=config.batch, seed=config.seed, conditional=conditional,
        augment=augment, unit=getattr(model, "score_unit", None),
    )  # fmt: skip
    return train_to_checkpoint(
        model,
        objective,
        config,
        output,
        score=lambda stored: test_score(stored, splits, levels, config.seed, conditional),
        resume=resume,
        stop_after=stop_after,
        report=report,
        card={
            "data": data.name,
            "licence": "that of the data",
            "split": splits.how + (f"; {len(train)} of the training images used" if fraction < 1 else ""),
            "levels": f"binarized by seed {config.seed}"
            if levels == 2
            else f"the nearest of {levels} levels",
            "command": command(family, data, output, settings or {}, preset),
            **({"classes": list(splits.train.classes)} if conditional and splits.train.classes else {}),
            **(card or {}),
        },
    )


def class_count(splits: Splits) -> int | None:
    """The number of classes, which the labels number from 0; None if there are no labels."""
    labels = [
        part.labels for part in (splits.train, splits.validation, splits.test) if part.labels is not None
    ]
    if not labels:
        return None
    count = int(np.concatenate(labels).max()) + 1
    if count > len(splits.train):
        raise SeqgenError(
            f"the labels go up to {count - 1}, but there are only {len(splits.train)} images to train on; "
            "number the classes 0, 1, …"
        )
    return count


def refuse_classes(family: str, classes: int | None) -> None:
    """Raise SeqgenError if a model that takes no class is to be conditional."""
    if classes is not None:
        raise SeqgenError(
            f"a model of the family {family} takes no class; leave out conditional, or train a pixel-cnn"
        )


def test_score(model: Any, splits: Splits, levels: int, seed: int, conditional: bool) -> float:
    """The score of the test images: nats per image for two levels, bits per dimension for more."""
    images = fixed_levels(splits.test.images, levels, seed + 1)
    return score(model, images, splits.test.labels if conditional else None, levels)
