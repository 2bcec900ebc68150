"""The reference sampler of recurrent networks: the module itself, one step at a time, with draws in numpy.

It runs in the module's dtype and on its device. The last bits of PyTorch's matrix products depend on the batch. In
float64, lanes are therefore computed one by one, so that samples are identical in any batch; in float32 they are
computed together, and samples are identical up to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqgen import rng
from seqgen.checkpoint import Weights
from seqgen.engine import Engine, Request, Start, StepOutput
from seqgen.engines.lane_controls import LaneControls
from seqgen.engines.reference_draw import draw_symbols
from seqgen.engines.reference_model import private_model
from seqgen.engines.requirements import require_finite, require_no_condition
from seqgen.kernels.lanes import StepArrays


class CharRNNEngine(Engine):
    """Samples a `CharRNN` with PyTorch."""

    name = "torch"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        from seqgen.models.char_rnn.model import CharRNN

        require_finite(weights)
        self._model: CharRNN = private_model(weights, request, model)
        self._device = self._model.head.weight.device
        dtype = self._model.head.weight.dtype
        self._request = request
        config = weights.config
        parts = 2 if config["cell"] == "lstm" else 1
        numpy_dtype = np.float64 if dtype == torch.float64 else np.float32
        lanes, layers, hidden = request.lanes, int(config["layers"]), int(config["hidden_size"])
        self._hidden = np.zeros((lanes, layers, parts, hidden), numpy_dtype)
        self._previous = np.full(lanes, -1, np.int64)
        self._position = np.zeros(lanes, np.uint64)
        self._index = np.zeros(lanes, np.uint64)
        self._controls = LaneControls(lanes, self._model.codec.size)

    def state(self) -> dict[str, np.ndarray]:
        return {
            "hidden": self._hidden,
            "previous": self._previous,
            "position": self._position,
            "index": self._index,
            **self._controls.state(),
        }

    @torch.no_grad()
    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        require_no_condition(start)
        self._controls.begin(lanes, start.controls, start.prompt)
        self._index[lanes] = indices
        self._position[lanes] = 0
        self._hidden[lanes] = 0
        self._previous[lanes] = -1
        if start.prompt is not None:
            inputs = torch.as_tensor(np.concatenate([[-1], start.prompt[:-1]])[None], device=self._device)
            _, after = self._model(inputs)
            self._hidden[lanes] = self._gather(after)
            self._previous[lanes] = start.prompt[-1]

    @torch.no_grad()
    def advance(self, counts: np.ndarray) -> StepOutput:
        out = StepArrays.of(len(counts), int(counts.max()), np.int64, log_probs=True)
        out.counts[:] = counts
        for t in range(out.symbols.shape[1]):
            lanes = np.flatnonzero(counts > t)
            logits = self._step(lanes)
            uniforms = rng.uniforms(
                self._request.seed, self._index[lanes], self._position[lanes], rng.Purpose.TOKEN
            )
            for lane, row, u in zip(lanes.tolist(), logits, uniforms, strict=True):
                symbol, out.log_probs[:, lane, t] = draw_symbols(self._controls, lane, row, u)
                out.symbols[lane, t] = symbol
                self._controls.seen[lane, symbol] = True
            self._previous[lanes] = out.symbols[lanes, t]
            self._position[lanes] += np.uint64(1)
        return out.output(log_probs=self._request.log_probs)

    def _step(self, lanes: np.ndarray) -> np.ndarray:
        """Advance the hidden state of `lanes` by their previous symbols; return the logits (lanes, V) in float64."""
        if self._hidden.dtype == np.float64 and len(lanes) > 1:
            return np.concatenate([self._step(lane) for lane in lanes[:, None]])
        inputs = torch.as_tensor(self._previous[lanes][:, None], device=self._device)
        hidden = torch.as_tensor(self._hidden[lanes], device=self._device)
        # clones, because the last bit of a matrix product can depend on the alignment of its operands
        state = [tuple(part[None].clone() for part in layer.unbind(1)) for layer in hidden.unbind(1)]
        logits, after = self._model(inputs, state)
        self._hidden[lanes] = self._gather(after)
        return logits[:, 0].double().cpu().numpy()

    @staticmethod
    def _gather(state: list[tuple[torch.Tensor, ...]]) -> np.ndarray:
        """Return a module's state as (lanes, L, parts, H)."""
        return torch.stack([torch.stack([part[0] for part in layer], 1) for layer in state], 1).cpu().numpy()
