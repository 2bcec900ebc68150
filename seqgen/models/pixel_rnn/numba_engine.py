"""The fused sampler of PixelRNNs: products, gates, controls, noise and draw of the rows of an image in one kernel.

What a row needs of the rows above is computed for all of its columns at once, when it begins; for a pixel there
remains what depends on its own row. The lanes of a thread go together, so that weights are read once for all; every
lane's sums are its own. Between rows a lane keeps the states of the row above, and the cells of a Row LSTM.
Legend: B lanes, M of them in a thread, C colours, W columns, F units, D = 2F features; sizes in `Sizes`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.conditions.image import Conditions
from seqgen.engine import Request, Start
from seqgen.image.engine import PixelEngine
from seqgen.kernels.compile import say_compiling
from seqgen.models.pixel_rnn.numba_kernel import draw_rows
from seqgen.models.pixel_rnn.numba_packing import Sizes, pack_pixel_rnn
from seqgen.threads import Workers


class PixelRNNEngine(PixelEngine):
    """Samples `PixelRNN`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._conditions = Conditions.from_config(weights.config)
        self._sizes = s = Sizes.of(weights.config)
        # plain tuples, because Numba looks at a named one anew in every call
        self._packed = tuple(pack_pixel_rnn(weights.arrays, s, request.precision))
        lanes = request.lanes
        # a row of states has room for the kernel at both ends
        self._states = np.zeros((lanes, s.layers, (s.columns + 2 * s.side) * s.units), np.float32)
        # to the right a cell follows the one beside it, so one is enough
        self._cells = np.zeros((lanes, s.layers, (1 if s.diagonal else s.columns) * s.units), np.float32)
        self._left = np.zeros((lanes, s.layers, s.columns * s.units * s.diagonal), np.float32)
        self._workers = Workers(request.threads)
        say_compiling("PixelRNN")

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "states": self._states, "cells": self._cells, "left": self._left}

    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        self._conditions.parse(start.condition)
        for array in (self._states, self._cells, self._left):
            array[lanes] = 0

    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        made = rows.copy()
        running = np.flatnonzero(rows)
        # within a thread's group the longest come first, so that those still running are always a prefix
        running = running[np.argsort(-rows[running], kind="stable")]
        order = np.concatenate([running[k :: self.request.threads] for k in range(self.request.threads)])
        controls = self.controls

        def work(part: np.ndarray) -> None:
            part = part[np.argsort(-rows[part], kind="stable")]
            draw_rows(
                part, rows[part], np.uint64(self.request.seed), tuple(self._sizes), self._packed, self.row, self.index,
                self.image, self.known, self._states.reshape(-1), self._cells.reshape(-1), self._left.reshape(-1),
                controls.reshapes, controls.parameters, controls.allowed, controls.seen, log_probs, made,
            )  # fmt: skip

        self._workers.run(work, order)
        return made

    def close(self) -> None:
        self._workers.close()
