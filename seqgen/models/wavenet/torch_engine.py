"""The reference sampler of WaveNets: one step at a time, with ring buffers of each layer's inputs and draws in numpy.

It runs in the module's dtype and on its device. In float64, lanes are computed one by one, so that samples are
identical in any batch; in float32 they are computed together, and samples are identical up to rounding.
Legend: B lanes, L layers, k kernel size, R residual channels, Z gate columns of all layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqgen import rng
from seqgen.audio.engine import SoundEngine, diverged
from seqgen.audio.numba_lanes import Local
from seqgen.checkpoint import Weights
from seqgen.codecs.audio import HIGHEST, LOWEST, PCM_SCALE
from seqgen.engine import Request
from seqgen.engines.reference_draw import draw_symbols
from seqgen.engines.reference_model import private_model
from seqgen.kernels.lanes import StepArrays
from seqgen.models.wavenet.layers import Past
from seqgen.models.wavenet.model import WaveNet
from seqgen.models.wavenet.outputs import log_probs as sound_log_probs
from seqgen.models.wavenet.outputs import mixture


class WaveNetEngine(SoundEngine):
    """Samples a `WaveNet` with PyTorch.

    Attributes:
        rings: for each layer (B, rows, R), the inputs of its last (k - 1) d steps; the row of step t is t modulo the
            number of rows.
        global_condition: (B, K) one-hot class and vector.
    """

    name = "torch"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        super().__init__(weights, request)
        self._model: WaveNet = private_model(weights, request, model)
        like = self._model.skip.weight
        self._numpy_dtype = np.float64 if like.dtype == torch.float64 else np.float32
        lanes, channels = request.lanes, self._model.residual_channels
        self.rings = [
            np.zeros((lanes, max(1, layer.reach), channels), self._numpy_dtype)
            for layer in self._model.gated_layers
        ]
        self.global_condition = np.zeros((lanes, self._conditions.global_width), np.float32)

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), **self._network_state()}

    def _network_state(self) -> dict[str, np.ndarray]:
        rings = {f"ring.{number}": ring for number, ring in enumerate(self.rings)}
        return {
            "history": self.history,
            "clock": self.clock,
            "global_condition": self.global_condition,
            **rings,
        }

    def _condition(self, lanes: np.ndarray, global_condition: np.ndarray) -> None:
        self.global_condition[lanes] = global_condition
        for ring in self.rings:
            ring[lanes] = 0

    @torch.no_grad()
    def _prefill(self, lane: int, prompt: np.ndarray) -> None:
        x = torch.as_tensor(prompt[None], device=self._model.skip.weight.device)
        global_condition = (
            self._tensor(self.global_condition[lane : lane + 1]) if self._conditions.global_width else None
        )
        past: Past = self._model.advance(x, None, global_condition)[1]
        for ring, kept in zip(self.rings, past.hidden, strict=True):
            # the oldest kept input is that of step T - (k - 1) d, zeros if that is before the start
            steps = np.arange(len(prompt) - kept.shape[1], len(prompt))
            ring[lane, steps % ring.shape[1]] = kept[0].cpu().numpy()

    @torch.no_grad()
    def _project(self, frames: np.ndarray) -> np.ndarray:
        model = self._model
        # one by one, because a matrix product of many rows differs from that of one row in the last bit
        each = [
            model.local(model.frame_channels(self._tensor(frames[i : i + 3])[None]))[0]
            for i in range(len(frames) - 2)
        ]
        return torch.cat(each).cpu().numpy()

    @torch.no_grad()
    def _draw(self, counts: np.ndarray, local: Local | None, out: StepArrays) -> None:
        for t in range(int(counts.max(initial=0))):
            lanes = np.flatnonzero(counts > t)
            groups = lanes[:, None] if self._numpy_dtype == np.float64 else [lanes]
            for some in groups:
                raw = self._step(some, t, local).double().cpu()
                drawn, scores = self._symbols(some, raw, self.position[some] + t)
                out.symbols[some, t] = drawn
                if self.request.log_probs:
                    out.log_probs[:, some, t] = scores
                self.history[some] = np.concatenate(
                    [self._values(drawn)[:, None], self.history[some][:, :-1]], 1
                )

    def _step(self, lanes: np.ndarray, t: int, local: Local | None) -> Tensor:
        """Return the raw outputs (lanes, O) of the step that is t after the clock."""
        model, clock = self._model, self.clock[lanes] + t
        inputs = torch.as_tensor(self.history[lanes][:, ::-1].copy(), device=model.skip.weight.device)
        inputs = inputs.long() if self.output == "categorical" else inputs.to(model.skip.weight.dtype)
        added = self._added(lanes, t, local)

        def taps(number: int, h: Tensor) -> Tensor:
            ring, dilation = self.rings[number], model.gated_layers[number].dilation
            past = [
                self._tensor(ring[lanes, (clock - j * dilation) % ring.shape[1]])
                for j in range(model.kernel_size - 1, 0, -1)
            ]
            ring[lanes, clock % ring.shape[1]] = h.cpu().numpy()
            return torch.cat([*past, h], -1)

        return model.through_layers(
            model.input(inputs)[:, 0], taps, lambda part: [] if added is None else [added[:, part]]
        )

    def _added(self, lanes: np.ndarray, t: int, local: Local | None) -> Tensor | None:
        """Return the contribution of the conditions to all gates at a step, (lanes, Z)."""
        total = None
        if self._conditions.global_width:
            total = self._model.globals(self._tensor(self.global_condition[lanes]))
        if local is not None:
            place = self.position[lanes] + t
            frame = place // self.hop - local.first[lanes]
            part = self._tensor(local.frames[lanes, frame])
            if self._mixes_next:
                weight = self._model.upsample.weight[:, place % self.hop, None]
                part = weight[0] * part + weight[1] * self._tensor(local.frames[lanes, frame + 1])
            total = part if total is None else total + part
        return total

    def _symbols(self, lanes: np.ndarray, raw: Tensor, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw the symbols (lanes,); return them and their log-probabilities (2, lanes), of the model and as drawn."""
        seed, index = self.request.seed, self.index[lanes]
        if self.output == "categorical":
            return self._categories(lanes, raw.numpy(), rng.uniforms(seed, index, place, rng.Purpose.TOKEN))
        weights, means, log_scales = (part.numpy() for part in mixture(self.output, raw))
        chosen = rng.categorical(np.exp(weights), self._uniforms(index, place, rng.Purpose.COMPONENT))
        row = np.arange(len(lanes))
        mean, scale = means[row, chosen], np.exp(log_scales[row, chosen])
        u = self._uniforms(index, place, rng.Purpose.EMISSION)
        if self.output == "logistics":
            value = mean + scale * rng.to_logistic(u)
            drawn = np.clip(np.floor(value * PCM_SCALE + 0.5), LOWEST, HIGHEST)
        else:
            drawn = mean + scale * rng.to_normal(u)
        if not np.isfinite(drawn).all():
            raise diverged()
        scores = sound_log_probs(self.output, raw, torch.as_tensor(drawn)).numpy()
        return drawn, np.stack([scores, scores])

    def _categories(
        self, lanes: np.ndarray, logits: np.ndarray, u: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        drawn, scores = np.zeros(len(lanes), np.int64), np.zeros((2, len(lanes)))
        for row, lane in enumerate(lanes.tolist()):
            drawn[row], scores[:, row] = draw_symbols(self.controls, lane, logits[row], u[row])
            self.controls.seen[lane, drawn[row]] = True
        return drawn, scores

    def _uniforms(self, index: np.ndarray, place: np.ndarray, purpose: rng.Purpose) -> np.ndarray:
        return rng.to_uniform(rng.numbered_words(self.request.seed, index, place, purpose))

    def _tensor(self, array: np.ndarray) -> Tensor:
        # clones, because the last bit of a matrix product can depend on the alignment of its operands
        like = self._model.skip.weight
        return torch.as_tensor(array, device=like.device, dtype=like.dtype).clone()
