"""The fused WaveNet sampler: rings, products, gates, output, controls, noise and draw in one compiled loop.

Legend: B lanes, K length of one-hot class and vector, M features of a frame, Z columns of all layers' gates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engines.base import Request, Workers
from seqgen.engines.numba.compile import say_compiling
from seqgen.engines.numba.wavenet_kernel import NOTHING_TO_DRAW, advance, prime, project
from seqgen.engines.numba.wavenet_packing import pack_wavenet
from seqgen.engines.sound import Local, SoundEngine, diverged, no_symbol


class WaveNetEngine(SoundEngine):
    """Samples `WaveNet`s on the CPU; lanes are spread over threads.

    Attributes:
        rings: (B, ring) float32, the last inputs of every layer.
        base: (B, Z) float32, gate biases and what class and vector add to them.
    """

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        sizes, packed, self._conditioning = pack_wavenet(weights.arrays, weights.config, request.precision)
        self._sizes, self._packed = tuple(sizes), tuple(packed)
        self._biases = packed.base
        self.rings = np.zeros((request.lanes, sizes.ring), np.float32)
        self.base = np.tile(packed.base, (request.lanes, 1))
        self._none = Local(np.zeros((0, 0, 0), np.float32), np.zeros(request.lanes, np.int64))
        self._workers = Workers(request.threads)
        say_compiling("WaveNet")

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "rings": self.rings, "base": self.base}

    def _network_state(self) -> dict[str, np.ndarray]:
        names = ("history", "clock", "rings", "base")
        return {name: getattr(self, name) for name in names}

    def _condition(self, lanes: np.ndarray, fixed: np.ndarray) -> None:
        self.rings[lanes] = 0
        self.base[lanes] = self._biases
        if len(fixed):
            matrix = self._conditioning.everywhere
            self.base[lanes] = project(fixed, len(fixed), 1, len(fixed), matrix, self._biases, False)

    def _prime(self, lane: int, prompt: np.ndarray) -> None:
        inputs = np.concatenate([self.history[lane], self._values(prompt)])
        prime(self._sizes, self._packed, self.base[lane], self.rings[lane], inputs)

    def _project(self, frames: np.ndarray) -> np.ndarray:
        count, width = len(frames) - 2, frames.shape[1]
        own = self._conditioning
        seen = project(frames.ravel(), width, count, 3 * width, own.frames, own.frames_bias, True)
        local_channels = len(own.local) * (2 if own.local.dtype == np.uint32 else 1) // len(self._biases)
        nothing = np.zeros(len(self._biases), np.float32)
        return project(seen.ravel(), seen.shape[1], count, local_channels, own.local, nothing, False)

    def _draw(
        self, counts: np.ndarray, local: Local | None, symbols: np.ndarray, log_probs: np.ndarray
    ) -> None:
        frames, first = local or self._none
        running = np.flatnonzero(counts)
        # dealt by length, so that threads end together; within a thread the longest come first
        running = running[np.argsort(-counts[running], kind="stable")]
        order = np.concatenate([running[k :: self.request.threads] for k in range(self.request.threads)])
        seed, controls, codes = np.uint64(self.request.seed), self.controls, []

        def work(part: np.ndarray) -> None:
            part = part[np.argsort(-counts[part], kind="stable")]
            code = advance(
                self._sizes, self._packed, part, counts[part], seed, self.base, frames, first, self.rings,
                self.history, self.clock, self.position, self.index, controls.reshapes, controls.parameters,
                controls.allowed, controls.seen, symbols, log_probs,
            )  # fmt: skip
            codes.append(code)

        self._workers.run(work, order)
        if max(codes, default=0):
            raise no_symbol() if NOTHING_TO_DRAW in codes else diverged()

    def close(self) -> None:
        self._workers.close()
