"""The fused sampler of RNADE: hidden units, mixture, component, normal and running sums in one loop.

Hidden units are in float32, mixtures and values in float64. Legend: B lanes, F hidden units, D dimensions, K
components.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request
from seqgen.image.numba_raster import packing
from seqgen.kernels.compile import kernel, say_compiling
from seqgen.kernels.dots import dot, pack_rows
from seqgen.kernels.draw import _inverse_cdf, _log_sum
from seqgen.kernels.random import philox4, to_normal, to_uniform
from seqgen.kernels.vector import padded
from seqgen.models.rnade.lanes import RealVectorEngine, diverged
from seqgen.rng import Purpose
from seqgen.threads import Workers

_COMPONENT, _EMISSION = int(Purpose.COMPONENT), int(Purpose.EMISSION)
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


class RNADEEngine(RealVectorEngine):
    """Samples `RNADE`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        hidden = int(weights.config["hidden_size"])
        arrays, packed = packing(weights.arrays, ("output",), request.precision)
        start = np.zeros(padded(hidden), np.float32)
        start[:hidden] = arrays["input_bias"]
        super().__init__(weights, request, start)
        self._input = np.zeros((self.dimensions, len(start)), np.float32)
        self._input[:, :hidden] = arrays["input"]
        self._output = pack_rows(arrays["output"].reshape(-1, hidden), packed)
        self._output_bias = arrays["output_bias"]
        self._rescaling = arrays["rescaling"]
        self._location = arrays["location"].astype(np.float64)
        self._scale = arrays["scale"].astype(np.float64)
        self._workers = Workers(request.threads)
        say_compiling("RNADE")

    def _draw(self, counts: np.ndarray, log_probs: np.ndarray) -> None:
        failed = []

        def work(some: np.ndarray) -> None:
            finite = _advance(
                some, counts, np.uint64(self.request.seed), self._input, self._output, self._output_bias,
                self._rescaling, self._location, self._scale, self.values, self.given, self.position,
                self.index, self.sums, log_probs,
            )  # fmt: skip
            if not finite:
                failed.append(some)

        self._workers.run(work, np.flatnonzero(counts))
        if failed:
            raise diverged()

    def close(self) -> None:
        self._workers.close()


@kernel
def _advance(
    lanes, counts, seed, inputs, outputs, output_bias, rescaling, location, scale, values, given, position, index,
    sums, log_probs,
):  # fmt: skip
    """Draw counts[lane] numbers of each of `lanes`; False if one of them is not finite.

    Args:
        inputs: (D, padded F). outputs: packed rows of D · 3 · K times the padded F. output_bias: (D, 3, K).
        sums: (B, padded F). log_probs: (B, N), or (B, 0) if nobody wants them.
    """
    size = sums.shape[1]
    kinds = output_bias.shape[2]
    hidden = np.empty(size, np.float32)
    logits, work = np.empty(kinds), np.empty(kinds)
    means, deviations = np.empty(kinds), np.empty(kinds)
    for lane in lanes:
        own = sums[lane]
        for t in range(counts[lane]):
            d = position[lane] + t
            value = values[lane, d]
            if d >= given[lane]:
                for j in range(size):
                    hidden[j] = max(own[j] * rescaling[d], np.float32(0.0))
                row = d * 3 * kinds * size
                for k in range(kinds):
                    logits[k] = output_bias[d, 0, k] + dot(hidden, 0, outputs, row + k * size, size)
                    means[k] = output_bias[d, 1, k] + dot(hidden, 0, outputs, row + (kinds + k) * size, size)
                    deviations[k] = output_bias[d, 2, k] + dot(
                        hidden, 0, outputs, row + (2 * kinds + k) * size, size
                    )
                block, word = np.uint64(d // 4), d % 4
                u = to_uniform(philox4(seed, index[lane], block, _COMPONENT)[word])
                normal = to_normal(to_uniform(philox4(seed, index[lane], block, _EMISSION)[word]))
                chosen = _inverse_cdf(logits, work, u)
                if chosen < 0:
                    return False
                z = means[chosen] + math.exp(deviations[chosen]) * normal
                value = location[d] + scale[d] * z
                values[lane, d] = value
                if not np.isfinite(value):
                    return False
                if log_probs.shape[1] > 0:
                    whole = _log_sum(logits)
                    for k in range(kinds):
                        distance = (z - means[k]) * math.exp(-deviations[k])
                        density = -0.5 * distance * distance - deviations[k] - _HALF_LOG_2_PI
                        logits[k] = logits[k] - whole + density
                    log_probs[lane, t] = _log_sum(logits) - math.log(scale[d])
            step = np.float32((value - location[d]) / scale[d])
            weights = inputs[d]
            for j in range(size):
                own[j] += step * weights[j]
    return True
