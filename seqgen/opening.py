"""Open models by name or path: `load` returns the model, `stream` samples it without importing torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from seqgen.generator import Generator
from seqgen.pretrained import find, names
from seqgen.registry import family, recipe
from seqgen.streaming import Stream


def load(name_or_path: str | os.PathLike[str]) -> Generator:
    """Load a model: a built-in name (see `pretrained_models`) or the path of a .safetensors file.

    Raises:
        SeqgenError: if there is no such model, or the file is not a complete checkpoint of a known family.
    """
    weights = find(name_or_path)
    model: Generator = family(weights.family).model_class().from_weights(weights)
    return model


def stream(
    name_or_path: str | os.PathLike[str], n: int | None = None, length: int | None = None, **arguments: Any
) -> Stream:
    """Stream from a checkpoint through its fused engine, without a model object and without torch.

    Takes the arguments of `Generator.stream`.

    Example:
        >>> import seqgen
        >>> next(seqgen.stream("weather", length=3, seed=7)).data
        'cloud rain sun'
    """
    return Stream(find(name_or_path), n, length, **arguments)


def train(
    name: str,
    data: str | os.PathLike[str] | None,
    output: str | os.PathLike[str],
    *,
    preset: str = "default",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    report: Callable[[int, int, float, float | None], None] | None = None,
) -> Generator:
    """Train a model of a family on the user's data and write a checkpoint, as `seqgen train` does.

    Args:
        name: the family. data: as described by `seqgen train --help`. output: a path ending in .safetensors.
        preset, settings, resume, report: as in `seqgen.training.recipe.Recipe.train`.

    Returns:
        The model, as stored.
    """
    chosen = recipe(name)
    arguments = {"preset": preset, "settings": settings, "resume": resume, "report": report}
    model: Generator = chosen.train(data, output, **arguments).model
    return model


def pretrained_models() -> list[dict[str, Any]]:
    """Return name, family, parameters, score, score_unit, data, licence, … of each built-in model."""
    listed = []
    for name in names():
        weights = find(name, verify=False)
        parameters = sum(array.size for array in weights.arrays.values())
        listed.append({"name": name, "family": weights.family, "parameters": parameters, **weights.card})
    return listed
