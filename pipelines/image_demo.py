"""The image part of `make demo`: one image drawn live, and a page of samples and completions."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

import seqgen
from pipelines.grids import image_grid, require_picture
from pipelines.image_page import image_page
from pipelines.sinks import open_sink
from pipelines.sinks.png import write_png
from seqgen.checkpoint import Weights
from seqgen.codecs import Pixels, codec_from_config
from seqgen.data.completion import keep_known
from seqgen.files import replace_whole
from seqgen.pretrained import find, names

SAMPLES, COLUMNS, COMPLETED, SCALE = 40, 20, 4, 2


def image_models() -> dict[str, Weights]:
    """Return the built-in image models by name."""
    found = {name: find(name) for name in names()}
    return {name: weights for name, weights in found.items() if pixels(weights) is not None}


def pixels(weights: Weights) -> Pixels | None:
    """Return the codec of an image model, or None for other models."""
    codec = codec_from_config(weights.config["codec"])
    return cast(Pixels, codec) if codec.medium == "image" else None


def draw_live(name: str, *, seed: int, seconds: float = 3.0) -> None:
    """Draw one image on standard output row by row, slowed down for viewing."""
    with seqgen.stream(name, n=1, chunk=1, seed=seed, condition=each_class(find(name))) as stream:
        _, rows, _ = require_picture(stream.codec)
        with open_sink("-", stream.codec, kind=".txt") as sink:
            for chunk in stream:
                sink.write(chunk)
                time.sleep(seconds / rows)


def write_page(path: Path, models: dict[str, Weights], *, seed: int) -> None:
    """Write a PNG with samples of every model, and with completions of upper halves.

    The images to complete are samples themselves: their lower half is removed and drawn with another seed.
    """
    sections = []
    for name, weights in models.items():
        codec = pixels(weights)
        assert codec is not None
        condition = each_class(weights)
        images = _sample(name, SAMPLES, seed, condition)
        sections.append((f"{name}: samples", image_grid(images, codec, COLUMNS, SCALE)))
        half = codec.shape[1] // 2
        rows = []
        for original in range(COMPLETED):
            known = keep_known(images[original], codec, keep_rows=half)
            own = None if condition is None else condition(original)
            completed = _sample(name, COLUMNS - 2, seed + 1 + original, own, prompt=known)
            rows += [images[original].astype(np.int16), known, *completed]
        title = f"{name}: a sample, its upper half, and {COLUMNS - 2} ways to complete that"
        sections.append((title, image_grid(rows, codec, COLUMNS, SCALE)))
    with replace_whole(path) as temporary, open(temporary, "wb") as file:
        write_png(image_page(sections), file)


def each_class(weights: Weights) -> Callable[[int], int] | None:
    """Return a condition that cycles through the classes by sample index; None for a model without classes."""
    classes = weights.config.get("classes")
    return None if classes is None else lambda index: index % classes


def _sample(
    name: str, count: int, seed: int, condition: object, prompt: np.ndarray | None = None
) -> list[np.ndarray]:
    with seqgen.stream(
        name, n=count, batch=min(count, 16), chunk=8, seed=seed, condition=condition, prompt=prompt
    ) as stream:
        samples = stream.collect()
    return [stream.codec.join([chunk.data for chunk in chunks]) for chunks in samples.values()]
