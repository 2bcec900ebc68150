"""The reference sampler of RNADE: one number at a time over the lanes, with running sums of the hidden units.

It runs in the module's dtype. In float64, lanes are computed one by one, so that samples are identical in any batch; in
float32 they are computed together, and samples are identical up to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from seqgen import rng
from seqgen.checkpoint import Weights
from seqgen.engine import Request
from seqgen.engines.reference_model import private_model
from seqgen.models.rnade.lanes import RealVectorEngine, diverged
from seqgen.models.rnade.model import RNADE, mixture, mixture_log_density
from seqgen.models.rnade.numba_lanes import FARTHEST


class RNADEEngine(RealVectorEngine):
    """Samples an `RNADE` with PyTorch."""

    name = "torch"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        self._model: RNADE = private_model(weights, request, model)
        super().__init__(weights, request, self._model.input_bias.cpu().numpy())
        arrays = self._model.arrays()
        self._location, self._scale = (arrays[name].astype(np.float64) for name in ("location", "scale"))

    @torch.no_grad()
    def _draw(self, counts: np.ndarray, log_probs: np.ndarray) -> None:
        for step in range(int(counts.max(initial=0))):
            lanes = np.flatnonzero(counts > step)
            groups = lanes[:, None] if self.sums.dtype == np.float64 else [lanes]
            for some in groups:
                scores = self._step(some, self.position[some] + step)
                if log_probs.shape[1]:
                    log_probs[some, step] = scores

    def _step(self, lanes: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Draw number d of each of `lanes`; return the log-densities, 0 where the number was known."""
        model = self._model
        # clones, because the last bit of a sum can depend on the alignment of its operands
        sums = torch.as_tensor(self.sums[lanes], device=model.input.device).clone()
        hidden = model.hidden(sums, model.rescaling[d, None])
        parameters = ((hidden[:, None, None] * model.output[d]).sum(-1) + model.output_bias[d]).double().cpu()
        known = d < self.given[lanes]
        if not torch.isfinite(parameters[torch.as_tensor(~known)]).all():
            raise diverged()
        logits, means, log_deviations = mixture(parameters)
        seed, index = self.request.seed, self.index[lanes]
        chosen = rng.categorical(
            torch.softmax(logits, -1).numpy(), self._uniform(index, d, rng.Purpose.COMPONENT)
        )
        normals = rng.normals(seed, index, d, rng.Purpose.EMISSION)[..., 0]
        each = np.arange(len(lanes))
        with np.errstate(over="ignore"):
            drawn = means.numpy()[each, chosen] + np.exp(log_deviations.numpy()[each, chosen]) * normals
        location, scale = self._location[d], self._scale[d]
        values = np.where(known, self.values[lanes, d], location + scale * drawn)
        if not (np.isfinite(values) & (known | (np.abs(drawn) <= FARTHEST))).all():
            raise diverged()
        self.values[lanes, d] = values
        z = torch.as_tensor((values - location) / scale)
        self.sums[lanes] = (sums + z[:, None].to(sums) * model.input[d]).cpu().numpy()
        return np.where(known, 0.0, mixture_log_density(z, parameters).numpy() - np.log(scale))

    def _uniform(self, index: np.ndarray, d: np.ndarray, purpose: rng.Purpose) -> np.ndarray:
        return rng.to_uniform(rng.numbered_words(self.request.seed, index, d, purpose))
