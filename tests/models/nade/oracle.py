"""FVSBN, NADE and EoNADE implemented directly from their equations, in float64 numpy, one dimension at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from seqgen import rng

Conditional = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""(x (D,), known (D,) bool, i) -> logits (L,) of dimension i; only known numbers of x may be read."""


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-a))


def parameters(model: Any) -> dict[str, np.ndarray]:
    return {name: array.astype(np.float64) for name, array in model.arrays().items()}


def fvsbn(model: Any) -> Conditional:
    """σ(α_i0 + Σ_{j<i} α_ij x_j)."""
    p = parameters(model)

    def logits(x: np.ndarray, known: np.ndarray, i: int) -> np.ndarray:
        row = p["weight"][i * (i - 1) // 2 : i * (i + 1) // 2]
        return np.array([0.0, p["bias"][i] + sum(row[j] * x[j] for j in range(i))])

    return logits


def nade(model: Any) -> Conditional:
    """h_i = σ(c + Σ_{j<i} w_j[x_j]), logits v_i · h_i + b_i."""
    p = parameters(model)

    def logits(x: np.ndarray, known: np.ndarray, i: int) -> np.ndarray:
        sums = p["input_bias"].copy()
        for j in range(i):
            if x[j]:
                sums += p["input"][j, x[j] - 1]
        return np.append(0.0, p["output"][i] @ sigmoid(sums) + p["output_bias"][i])

    return logits


def eonade(model: Any) -> Conditional:
    """Compute the layers of EoNADE given the known dimensions."""
    p = parameters(model)

    def logits(x: np.ndarray, known: np.ndarray, i: int) -> np.ndarray:
        sums = p["input_bias"].copy()
        for j in np.flatnonzero(known):
            sums += p["mask"][j]
            if x[j]:
                sums += p["input"][j, x[j] - 1]
        hidden = np.maximum(sums, 0.0)
        for k in range(len(model.deeper)):
            hidden = np.maximum(p[f"deeper.{k}"] @ hidden + p[f"deeper_bias.{k}"], 0.0)
        return np.append(0.0, p["output"][i] @ hidden + p["output_bias"][i])

    return logits


ORACLES: dict[str, Callable[[Any], Conditional]] = {"fvsbn": fvsbn, "nade": nade, "eonade": eonade}


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()


def log_prob(model: Any, x: np.ndarray, order: np.ndarray | None = None) -> float:
    """Return the log-probability of one vector (D,) in raster order of dimensions."""
    conditional = ORACLES[model.family](model)
    known, total = np.zeros(len(x), bool), 0.0
    for i in range(len(x)) if order is None else order:
        total += log_softmax(conditional(x, known, i))[x[i]]
        known[i] = True
    return total


def sample(
    model: Any, seed: int, index: int, order: np.ndarray | None = None, given: np.ndarray | None = None
) -> np.ndarray:
    """Draw one vector (D,) with the library's random numbers; `given` holds -1 where a dimension is to be drawn."""
    conditional = ORACLES[model.family](model)
    size = model.dimensions
    x = np.full(size, -1) if given is None else given.copy()
    known = x >= 0
    for i in range(size) if order is None else order:
        if not known[i]:
            u = rng.uniforms(seed, index, i, rng.Purpose.TOKEN)
            x[i] = rng.categorical(np.exp(log_softmax(conditional(x, known, i))), u)
            known[i] = True
    return x


def to_image(x: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return a vector (D,) as its image (C, H, W)."""
    colours, rows, columns = shape
    return x.reshape(rows, columns, colours).transpose(2, 0, 1)


def to_vector(image: np.ndarray) -> np.ndarray:
    """Return an image (C, H, W) as its vector (D,)."""
    return image.transpose(1, 2, 0).ravel()


def every(levels: int, dimensions: int) -> np.ndarray:
    """Return all vectors, (levels^D, D)."""
    return np.array(list(itertools.product(range(levels), repeat=dimensions)))
