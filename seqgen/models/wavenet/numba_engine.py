"""The fused WaveNet sampler: ring buffers, products, gates, output, controls and draw in one compiled loop.

Legend: B lanes, K length of one-hot class and vector, M features of a frame, Z columns of all layers' gates.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from seqgen.audio.engine import SoundEngine, diverged
from seqgen.audio.numba_lanes import Local
from seqgen.checkpoint import Weights
from seqgen.engine import Request
from seqgen.errors import nothing_to_draw
from seqgen.kernels.compile import say_compiling
from seqgen.kernels.lanes import StepArrays
from seqgen.kernels.postponed import Postponed
from seqgen.kernels.trial import Trial
from seqgen.models.wavenet.numba_draw import NOTHING_TO_DRAW
from seqgen.models.wavenet.numba_inputs import Cache
from seqgen.models.wavenet.numba_kernel import advance, prefill, project
from seqgen.models.wavenet.numba_lane import Shared, assist, dismiss, lead
from seqgen.models.wavenet.numba_packing import Sizes, pack_wavenet
from seqgen.threads import Workers

_WORTH_TWO = 64
"""The least number of samples for which a second thread is used."""
_ALONE = 16_000
"""Samples that are drawn before the kernel of a second thread is compiled, about a second of sound."""


class WaveNetEngine(SoundEngine):
    """Samples `WaveNet`s on the CPU; lanes are spread over threads, and a single lane over two if that is faster.

    Attributes:
        cache: the state of the lanes besides their positions.
    """

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        precision = request.precision
        sizes, packed, self._conditioning = weights.packed(
            precision, lambda: pack_wavenet(weights.arrays, weights.config, precision)
        )
        self._model = tuple(sizes), tuple(packed)
        self._matrices, self._biases = packed.matrices, packed.base
        self.cache = Cache(
            rings=np.zeros((request.lanes, sizes.ring), np.float32),
            base=np.tile(packed.base, (request.lanes, 1)),
        )
        self._none = Local(np.zeros((0, 0, 0), np.float32), np.zeros(request.lanes, np.int64))
        self.workers: Workers = Workers(request.threads)
        self._pair: Shared | None = None
        self._two_cores, self._assistant = Trial(), Postponed(assist, _ALONE)
        say_compiling("WaveNet")

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), **self.cache._asdict()}

    def _network_state(self) -> dict[str, np.ndarray]:
        return {"history": self.history, "clock": self.clock, **self.cache._asdict()}

    def _condition(self, lanes: np.ndarray, global_condition: np.ndarray) -> None:
        self.cache.rings[lanes] = 0
        self.cache.base[lanes] = self._biases
        if len(global_condition):
            count, at = len(global_condition), self._conditioning.global_at
            self.cache.base[lanes] = project(
                global_condition, count, 1, count, self._matrices, at, self._biases, False
            )

    def _prefill(self, lane: int, prompt: np.ndarray) -> None:
        inputs = np.concatenate([self.history[lane], self._values(prompt)])
        prefill(self._model, tuple(self.cache), lane, inputs)

    def _project(self, frames: np.ndarray) -> np.ndarray:
        count, width = len(frames) - 2, frames.shape[1]
        own, matrices = self._conditioning, self._matrices
        seen = project(frames.ravel(), width, count, 3 * width, matrices, own.frames_at, own.frames, True)
        nothing = np.zeros(len(self._biases), np.float32)
        return project(
            seen.ravel(), seen.shape[1], count, own.local_channels, matrices, own.local_at, nothing, False
        )

    def _draw(self, counts: np.ndarray, local: Local | None, out: StepArrays) -> None:
        running, codes = np.flatnonzero(counts), []
        lanes = (
            np.uint64(self.request.seed), tuple(self.sound), tuple(self.cache), tuple(local or self._none),
            self.controls.for_kernels(), tuple(out),
        )  # fmt: skip

        def work(part: np.ndarray) -> None:
            if len(part) == 1:
                shared = tuple(self._shared())
                codes.append(lead(self._model, int(part[0]), counts[part[0]], *lanes, shared))
            else:
                codes.append(advance(self._model, part, counts[part], *lanes))

        if len(running) == 1 and self.request.threads > 1 and counts[running[0]] >= _WORTH_TWO:
            shared, lane, begin = self._shared(), int(running[0]), self.workers.begin_beside
            self._pair = shared
            ready = self._assistant.ready(begin, self._model, tuple(shared))
            try:
                two = ready and self._two_cores.choose() and begin(lambda: assist(self._model, tuple(shared)))
                began = time.perf_counter()
                codes.append(lead(self._model, lane, counts[lane], *lanes, tuple(shared)))
            finally:
                dismiss(shared.numbers)
            if ready:
                self._two_cores.took(two, (time.perf_counter() - began) / counts[lane])
            else:
                self._assistant.did(int(counts[lane]))
        else:
            self.workers.run_longest_first(work, counts)
        if max(codes, default=0):
            controlled = bool(self.controls.reshapes[counts > 0].any())
            raise nothing_to_draw(controlled=controlled) if NOTHING_TO_DRAW in codes else diverged()

    def settle(self) -> None:
        if self._pair is not None:
            dismiss(self._pair.numbers)
        super().settle()

    def _shared(self) -> Shared:
        """Return new arrays for a pair, because an assistant may still be using the previous ones."""
        return Shared.of(Sizes(*self._model[0]))
