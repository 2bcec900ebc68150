"""Batches of a data set as a function of the seed and the step."""

from __future__ import annotations

import numpy as np

from seqgen import rng


class Batches:
    """Epochs over `count` items, each in a new random order; an incomplete last batch of an epoch is dropped.

    Args:
        count: number of items, at least `batch`. batch: items per step. seed: seed of the orders.

    Example:
        >>> batches = Batches(5, 2, seed=0)
        >>> batches.steps_per_pass, [len(batches.rows(step)) for step in range(3)]
        (2, [2, 2, 2])
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self._count, self._batch, self._seed = count, batch, seed
        self.steps_per_pass = count // batch
        self._order: tuple[int, np.ndarray] | None = None

    def rows(self, step: int) -> np.ndarray:
        """Return the numbers (batch,) of the items of a step."""
        number, within = divmod(step, self.steps_per_pass)
        if self._order is None or self._order[0] != number:
            noise = rng.uniforms(self._seed, np.arange(self._count), number, rng.Purpose.SHUFFLE)
            self._order = (number, np.argsort(noise, kind="stable"))
        return self._order[1][within * self._batch : (within + 1) * self._batch]
