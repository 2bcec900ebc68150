"""The models of `image_recipe` that are made of several networks: two scales, and the auto-encoders."""

from __future__ import annotations

from typing import Any

import torch

from seqgen.errors import integer
from seqgen.image.recipe import refuse_classes
from seqgen.models.autoencoder.model import AutoEncoder
from seqgen.models.pixel_cnn.model import PixelCNN
from seqgen.models.pixel_cnn_autoencoder.model import PixelCNNAutoEncoder
from seqgen.models.two_scale.model import TwoScale


def two_scale(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> TwoScale:
    """A `TwoScale` whose small image is every `factor`-th row and column.

    Raises:
        ValueError: if the factor does not divide the rows and columns.
    """
    factor = integer("factor", settings["factor"], low=2)
    colours, rows, columns = shape
    if rows % factor or columns % factor:
        raise ValueError(
            f"factor must divide the {rows} rows and {columns} columns of the images, got {factor}"
        )
    coarse = (colours, rows // factor, columns // factor)
    levels, dropout, seed = settings["levels"], settings["dropout"], settings["seed"]
    small = PixelCNN(
        coarse,
        levels,
        settings["small_channels"],
        settings["small_layers"],
        classes,
        dropout=dropout,
        seed=seed,
    )
    large = PixelCNN(
        shape,
        levels,
        settings["channels"],
        settings["layers"],
        classes,
        guide=coarse,
        dropout=dropout,
        seed=seed,
    )
    return _for_training(TwoScale(small, large))


def pixel_cnn_autoencoder(
    shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]
) -> PixelCNNAutoEncoder:
    """A `PixelCNNAutoEncoder`, which takes no classes."""
    refuse_classes("pixel-cnn-autoencoder", classes)
    return _for_training(PixelCNNAutoEncoder(shape, **settings))


def autoencoder(shape: tuple[int, int, int], classes: int | None, settings: dict[str, Any]) -> AutoEncoder:
    """An `AutoEncoder`, which takes no classes."""
    refuse_classes("autoencoder", classes)
    return _for_training(AutoEncoder(shape, **settings))


def _for_training(model: Any) -> Any:
    return model.to(memory_format=torch.channels_last)
