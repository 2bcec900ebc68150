"""What is changed: small models of every family, what is requested from them, and random models of a configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqgen import AutoEncoder, pretrained
from seqgen.checkpoint import Weights
from seqgen.codecs import codec_from_config
from seqgen.registry import FAMILIES
from seqgen.schema import Field, Schema
from tests.conformance.case import Case
from tests.conformance.cases import CASES
from tests.core.pinned_samples import mel_like

LARGEST = 1 << 22
"""Maximum bytes of a random model."""


@dataclass(frozen=True)
class Subject:
    """A valid model, the requests that are made from it, and the engines that take them."""

    id: str
    weights: Weights
    engines: tuple[str, ...] = ()
    length: int = 8
    requests: tuple[Mapping[str, Any], ...] = field(default=({},))

    @property
    def family(self) -> str:
        return self.weights.family


def subjects() -> list[Subject]:
    """Return the models of the conformance suite, the built-in models, and one of each family that does not stream."""
    found = [_of_case(case) for case in CASES]
    for name in pretrained.names():
        weights = pretrained.find(name)
        request = {"vocoder": {"condition": mel_like(0)}, "fashion-pixelcnn": {"condition": 3}}.get(name, {})
        length = codec_from_config(weights.config["codec"]).longest or 20
        found.append(Subject(name, weights, tuple(FAMILIES[weights.family].engines)[:1], length, (request,)))
    coder = AutoEncoder((3, 5, 6), levels=4, bottleneck=3, channels=4)
    return [*found, Subject("autoencoder", Weights(coder.family, coder.config(), coder.arrays()))]


def _of_case(case: Case) -> Subject:
    kinds = ("plain", "varied", "conditions") if case.conditions else ("plain", "varied")
    requests = [dict(case.required) | case.request(kind) for kind in kinds]
    return Subject(case.id, case.model().weights(), case.engines, case.length, tuple(requests))


def random_arrays(schema: Schema, rng: np.random.Generator) -> dict[str, np.ndarray] | None:
    """Return random arrays as a schema declares them, or None if they would be too large."""
    layout = schema.arrays[int(rng.integers(len(schema.arrays)))]
    sizes: dict[str, int] = {}
    arrays, total = {}, 0
    for name, each in layout():
        shape = tuple(
            n if isinstance(n, int) else sizes.setdefault(n, int(rng.integers(1, 5))) for n in each.shape
        )
        total += 8 * math.prod(shape)
        if total > LARGEST or len(arrays) > 500:
            return None
        arrays[name] = random_array(each, shape, sizes, rng)
    return arrays


def random_array(
    each: Field, shape: tuple[int, ...], sizes: Mapping[str, int], rng: np.random.Generator
) -> np.ndarray:
    """Return an array within the bounds of its declaration."""
    dtype = np.dtype(each.dtypes[int(rng.integers(len(each.dtypes)))])
    if each.rows == "probabilities":
        values = rng.random(shape) * (rng.random(shape) < 0.7) + 1e-9
        return (values / values.sum(-1, keepdims=True)).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.7
    below = sizes.get(each.below) if isinstance(each.below, str) else each.below
    low = each.low if each.low is not None else each.above if each.above is not None else -2.0
    high = float(np.min(each.high)) if each.high is not None else below if below is not None else low + 4.0
    if dtype.kind in "iu":
        return rng.integers(int(low), max(int(high), int(low) + 1), shape).astype(dtype)
    values = rng.uniform(low, min(float(high), low + 1e3), shape)
    return np.asarray(values, dtype)


def by_family(chosen: list[Subject]) -> Iterator[tuple[str, list[Subject]]]:
    """Yield each registered family with its subjects."""
    for name in FAMILIES:
        yield name, [subject for subject in chosen if subject.family == name]
