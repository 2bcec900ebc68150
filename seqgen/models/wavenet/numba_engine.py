"""The fused WaveNet sampler: rings, products, gates, output, controls, noise and draw in one compiled loop.

Legend: B lanes, K length of one-hot class and vector, M features of a frame, Z columns of all layers' gates.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from seqgen.audio.engine import Local, SoundEngine, diverged, no_symbol
from seqgen.checkpoint import Weights
from seqgen.engine import Request
from seqgen.kernels.compile import say_compiling
from seqgen.kernels.signals import signals
from seqgen.kernels.trial import Trial
from seqgen.models.wavenet.numba_draw import NOTHING_TO_DRAW
from seqgen.models.wavenet.numba_kernel import advance, prefill, project
from seqgen.models.wavenet.numba_lane import SIGNALS, assist, dismiss, lead
from seqgen.models.wavenet.numba_packing import Sizes, pack_wavenet
from seqgen.threads import Workers

_NO_FRAMES = np.zeros(0, np.float32)
_WORTH_TWO = 64
"""Samples that are worth waking another thread for."""

Shared = tuple[np.ndarray, ...]
"""What a leader and its assistant share, as `wavenet_lane.lead` takes it."""


class WaveNetEngine(SoundEngine):
    """Samples `WaveNet`s on the CPU; lanes are spread over threads, and a lane that is alone over two where that helps.

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
        self._two_cores = Trial()
        say_compiling("WaveNet")

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "rings": self.rings, "base": self.base}

    def _network_state(self) -> dict[str, np.ndarray]:
        names = ("history", "clock", "rings", "base")
        return {name: getattr(self, name) for name in names}

    def _condition(self, lanes: np.ndarray, global_condition: np.ndarray) -> None:
        self.rings[lanes] = 0
        self.base[lanes] = self._biases
        if len(global_condition):
            matrix = self._conditioning.global_condition
            self.base[lanes] = project(
                global_condition, len(global_condition), 1, len(global_condition), matrix, self._biases, False
            )

    def _prefill(self, lane: int, prompt: np.ndarray) -> None:
        inputs = np.concatenate([self.history[lane], self._values(prompt)])
        prefill(self._sizes, self._packed, self.base[lane], self.rings[lane], inputs)

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

        def lead_lane(lane: int, shared: Shared) -> None:
            own = frames[lane].reshape(-1) if len(frames) else _NO_FRAMES
            code = lead(
                self._sizes, self._packed, counts[lane], seed, self.base[lane], own, first[lane], self.rings[lane],
                self.history[lane], self.clock[lane], self.position[lane], self.index[lane], controls.reshapes[lane],
                controls.parameters[lane], controls.allowed[lane], controls.seen[lane], symbols[lane],
                log_probs[lane], *shared,
            )  # fmt: skip
            codes.append(code)

        def work(part: np.ndarray) -> None:
            if len(part) == 1:
                lead_lane(int(part[0]), self._shared())
                return
            part = part[np.argsort(-counts[part], kind="stable")]
            code = advance(
                self._sizes, self._packed, part, counts[part], seed, self.base, frames, first, self.rings,
                self.history, self.clock, self.position, self.index, controls.reshapes, controls.parameters,
                controls.allowed, controls.seen, symbols, log_probs,
            )  # fmt: skip
            codes.append(code)

        if len(running) == 1 and self.request.threads > 1 and counts[running[0]] >= _WORTH_TWO:
            shared, lane = self._shared(), int(running[0])
            two = self._two_cores.choose() and self._workers.begin_beside(
                lambda: assist(self._sizes, self._packed, *shared)
            )
            began = time.perf_counter()
            try:
                lead_lane(lane, shared)
            finally:
                dismiss(shared[-1])
            self._two_cores.took(two, (time.perf_counter() - began) / counts[lane])
        else:
            self._workers.run(work, order)
        if max(codes, default=0):
            raise no_symbol() if NOTHING_TO_DRAW in codes else diverged()

    def _shared(self) -> Shared:
        """New arrays for the two sides of a pair, as an assistant may still be at work on those of the last time."""
        s = Sizes(*self._sizes)
        lengths = (s.layers * s.half, s.skip_padded, s.skip_padded, s.outputs_padded)
        return (*(np.zeros(length, np.float32) for length in lengths), signals(SIGNALS))

    def close(self) -> None:
        self._workers.close()
