"""The fused sampler of recurrent networks; `numba_kernel` contains its loop. Legend: B lanes, V vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Engine, Request, Start, StepOutput
from seqgen.engines.lane_controls import LaneControls
from seqgen.engines.requirements import require_finite, require_no_condition
from seqgen.errors import nothing_to_draw
from seqgen.kernels.compile import say_compiling
from seqgen.kernels.lanes import StepArrays
from seqgen.models.char_rnn.numba_kernel import CharRNNState, advance
from seqgen.models.char_rnn.numba_packing import LSTM, pack_char_rnn
from seqgen.threads import Workers

_NOTHING = np.zeros(0, np.int64)


class CharRNNEngine(Engine):
    """Samples `CharRNN`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        require_finite(weights)
        config, lanes = weights.config, request.lanes
        symbols = weights.codec.size
        packed = weights.packed(
            request.precision, lambda: pack_char_rnn(weights.arrays, config, symbols, request.precision)
        )
        width = packed.layers * packed.hidden
        self._request, self._packed = request, tuple(packed)
        self._lanes = CharRNNState(
            states=np.zeros((lanes, width), np.float32),
            cells=np.zeros((lanes, width if packed.cell == LSTM else 0), np.float32),
            previous=np.full(lanes, -1, np.int64),
            position=np.zeros(lanes, np.uint64),
            index=np.zeros(lanes, np.uint64),
        )
        self._controls = LaneControls(lanes, symbols)
        self.workers: Workers = Workers(request.threads)
        self._prefilled: tuple[Start, np.ndarray, np.ndarray] | None = None
        say_compiling("recurrent network")

    def state(self) -> dict[str, np.ndarray]:
        return {**self._lanes._asdict(), **self._controls.state()}

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        require_no_condition(start)
        self._controls.begin(lanes, start.controls, start.prompt)
        own = self._lanes
        own.index[lanes] = indices
        own.position[lanes] = 0
        if start.prompt is None:
            own.states[lanes] = 0
            own.cells[lanes] = 0
            own.previous[lanes] = -1
            return
        if self._prefilled is None or self._prefilled[0] is not start:
            first = lanes[:1]
            own.states[first] = 0
            own.cells[first] = 0
            before = np.concatenate([[-1], start.prompt[:-1]]).astype(np.int64)
            nothing = StepArrays.of(1, 0, np.int64, log_probs=False)
            self._run(first, np.array([len(before)]), before, nothing)
            self._prefilled = (start, own.states[lanes[0]].copy(), own.cells[lanes[0]].copy())
        _, states, cells = self._prefilled
        own.states[lanes] = states
        own.cells[lanes] = cells
        own.previous[lanes] = start.prompt[-1]

    def advance(self, counts: np.ndarray) -> StepOutput:
        wanted = self._request.log_probs
        out = StepArrays.of(len(counts), max(counts.tolist()), np.int64, log_probs=wanted)
        out.counts[:] = counts
        failed = []

        def work(part: np.ndarray) -> None:
            if not self._run(part, counts[part], _NOTHING, out):
                failed.append(part)

        self.workers.run_longest_first(work, counts)
        if failed:
            raise nothing_to_draw(controlled=bool(self._controls.reshapes[np.concatenate(failed)].any()))
        return out.output(log_probs=wanted)

    def _run(self, lanes: np.ndarray, counts: np.ndarray, forced: np.ndarray, out: StepArrays) -> bool:
        seed, controls = np.uint64(self._request.seed), self._controls.for_kernels()
        return bool(
            advance(self._packed, lanes, counts, forced, seed, tuple(self._lanes), controls, tuple(out))
        )
