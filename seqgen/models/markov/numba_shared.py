"""The masses of the empty context under controls, which the states of a smoothed chain share.

Legend: V symbols, with the end; C V / `block` blocks, rounded up.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.softmax import exp

# a lower temperature magnifies the rounding of probabilities
COLDEST = 0.01
_LEAST_BLOCK, _MOST_BLOCKS = 64, 256


class Shared(NamedTuple):
    """The masses of the empty context, relative to the largest; symbols that are not allowed have none.

    Attributes:
        top: (1,) float64, the largest logit. masses: (V,) float64. cumulative: (V + 1,), masses of the first symbols.
        order: (V,) int32, the symbols by descending mass, or (0,) without top-p, as the following ones.
        rank: (V,) int32, places in `order`. descending: (V + 1,) float64, masses of the first symbols of `order`.
        logits: (V,) float64, in `order`. block: (1,) int64.
        grid: (C + 1, C + 1) float64, masses of the symbols that are in the first blocks of `order` and of all symbols.
    """

    top: np.ndarray
    masses: np.ndarray
    cumulative: np.ndarray
    order: np.ndarray
    rank: np.ndarray
    descending: np.ndarray
    logits: np.ndarray
    block: np.ndarray
    grid: np.ndarray


def share(logs: np.ndarray, temperature: float, allowed: np.ndarray, *, top_p: bool) -> Shared:
    """Compute the masses from the logarithms of the probabilities (V,), which of them are allowed (V,), and whether
    top-p chooses among them.
    """
    size = len(allowed)
    logits = np.where(allowed, logs / temperature, -np.inf)
    order = np.argsort(-logits, kind="stable").astype(np.int32) if top_p else np.empty(0, np.int32)
    ordered = len(order)
    block = max(_LEAST_BLOCK, -(-ordered // _MOST_BLOCKS))
    blocks = -(-ordered // block)
    made = Shared(
        np.array([logits.max()]), np.empty(size), np.empty(size + 1), order, np.empty(ordered, np.int32),
        np.empty(ordered + 1), logits[order], np.array([block], np.int64),
        np.zeros((blocks + 1, blocks + 1)),
    )  # fmt: skip
    _fill(logits, tuple(made))
    return made


@kernel
def _fill(logits, shared):
    shared = Shared(*shared)
    total = 0.0
    shared.cumulative[0] = 0.0
    for v in range(len(logits)):
        shared.masses[v] = exp(logits[v] - shared.top[0])
        total += shared.masses[v]
        shared.cumulative[v + 1] = total
    total = 0.0
    shared.descending[0] = 0.0
    block = shared.block[0]
    for k in range(len(shared.order)):
        v = shared.order[k]
        shared.rank[v] = k
        total += shared.masses[v]
        shared.descending[k + 1] = total
        shared.grid[k // block + 1, v // block + 1] += shared.masses[v]
    for i in range(len(shared.grid)):
        for j in range(1, len(shared.grid)):
            shared.grid[i, j] += shared.grid[i, j - 1]
    for i in range(1, len(shared.grid)):
        for j in range(len(shared.grid)):
            shared.grid[i, j] += shared.grid[i - 1, j]


@inline
def cumulative(shared, first_out, symbol):
    """Return the mass of the symbols below `symbol` that come before the place `first_out` of `order`, or V for all."""
    if first_out == len(shared.masses):
        return shared.cumulative[symbol]
    block = shared.block[0]
    i, j = first_out // block, symbol // block
    total = shared.grid[i, j]
    for k in range(i * block, first_out):
        v = shared.order[k]
        if v < j * block:
            total += shared.masses[v]
    for v in range(j * block, symbol):
        if shared.rank[v] < first_out:
            total += shared.masses[v]
    return total
