"""Common parts of the cases of image models.

The suite requests samples of up to a dozen symbols. An image's symbols are its rows, so the images are tall and narrow:
12 rows of 2 columns. Their probabilities are added up over smaller ones, of 3 × 3 pixels if they are binary.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from seqgen import Controls
from seqgen.generator import Generator
from tests.conformance.running import log_prob

ROWS, COLUMNS = 12, 2


def partial_images(colours: int = 1, levels: int = 2) -> tuple[np.ndarray, ...]:
    """Return three prompts whose known pixels come first in raster order; one of them ends within a row."""
    shape = (colours, ROWS, COLUMNS)
    top = np.full(shape, -1)
    top[:, 0] = levels - 1
    three_rows = np.full(shape, -1)
    three_rows[:, :3] = 0
    half_row = np.full(shape, -1)
    half_row[:, :5] = levels - 1
    half_row[:, 5, 0] = 0
    return top, three_rows, half_row


def image_case(colours: int = 1, levels: int = 2) -> dict[str, Any]:
    """Return fields of a `Case` of images of ROWS x COLUMNS; the case adds `make`, `exact`, `retrain` and `total`."""
    return {
        "prompts": partial_images(colours, levels),
        "unknown": np.full((colours, ROWS, COLUMNS), levels),
        "controls": (Controls(temperature=0.5), Controls(top_k=1), Controls(allowed=np.arange(levels)[-2:], top_p=0.8)),
        "length": ROWS,
        "ends": True,
        "tolerance": 1e-5,
    }  # fmt: skip


def all_images(
    make: Callable[[], Generator], shape: tuple[int, int, int], levels: int = 2, **condition: Any
) -> Any:
    """Return a `Case.total`: the probabilities of all images of a small shape under a model in float64."""

    def total(_: Generator) -> float:
        values = itertools.product(range(levels), repeat=int(np.prod(shape)))
        images = np.array(list(values), np.uint8).reshape(-1, *shape)
        return float(np.exp(log_prob(make(), images, **condition)).sum())

    return total
