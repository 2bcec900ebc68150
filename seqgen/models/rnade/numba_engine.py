"""The fused sampler of RNADE: hidden units, mixture, component, normal and running sums in one loop.

Hidden units are in float32, mixtures and values in float64.
Legend: B lanes, N numbers per step, F hidden units, D dimensions, K components.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.engine import Request
from seqgen.kernels.compile import kernel, say_compiling
from seqgen.kernels.dots import dot
from seqgen.kernels.draw import _inverse_cdf, _log_sum
from seqgen.kernels.packing import Packer, padded_vector
from seqgen.kernels.random import philox4, to_normal, to_uniform
from seqgen.models.rnade.lanes import RealVectorEngine, diverged
from seqgen.models.rnade.numba_lanes import FARTHEST, LOWEST_LOG_DEVIATION, VectorState
from seqgen.rng import Purpose
from seqgen.threads import Workers

_COMPONENT, _EMISSION = int(Purpose.COMPONENT), int(Purpose.EMISSION)
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


class Packed(NamedTuple):
    """The weights that the kernel reads.

    Attributes:
        inputs: (D, padded F) float32. outputs: packed rows of D · 3 · K times the padded F. output_bias: (D, 3, K).
        rescaling: (D,) float32. location, scale: (D,) float64.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    output_bias: np.ndarray
    rescaling: np.ndarray
    location: np.ndarray
    scale: np.ndarray


def pack_rnade(weights: Weights, precision: str) -> tuple[Packed, np.ndarray]:
    """Return the packed weights, and the sums of the hidden units (padded F,) before the first number."""
    packer, hidden = Packer(weights.arrays, precision), int(weights.config["hidden_size"])
    packer.add_rows(packer["output"].reshape(-1, hidden))
    packed = Packed(
        np.stack([padded_vector(row) for row in packer["input"]]), packer.matrices(), packer["output_bias"],
        packer["rescaling"], packer["location"].astype(np.float64), packer["scale"].astype(np.float64),
    )  # fmt: skip
    return packed, padded_vector(packer["input_bias"])


class RNADEEngine(RealVectorEngine):
    """Samples `RNADE`s on the CPU; lanes are spread over threads."""

    name = "numba"

    def __init__(self, weights: Weights, request: Request, *, model: Any = None) -> None:
        packed, start_sums = weights.packed(request.precision, lambda: pack_rnade(weights, request.precision))
        super().__init__(weights, request, start_sums)
        self._packed = tuple(packed)
        self.workers: Workers = Workers(request.threads)
        say_compiling("RNADE")

    def _draw(self, counts: np.ndarray, log_probs: np.ndarray) -> None:
        seed, lanes, failed = np.uint64(self.request.seed), tuple(self.lanes), []

        def work(some: np.ndarray) -> None:
            if not advance(self._packed, some, counts, seed, lanes, log_probs):
                failed.append(some)

        self.workers.run(work, np.flatnonzero(counts))
        if failed:
            raise diverged()


@kernel
def advance(packed, lanes, counts, seed, state, log_probs):
    """Draw counts[lane] numbers of each of `lanes`; return False if one cannot be drawn (see `diverged`).

    `packed` and `state` are `Packed` and `VectorState` as plain tuples; log_probs is (B, N), or (B, 0) if not
    requested.
    """
    p, s = Packed(*packed), VectorState(*state)
    inputs, outputs, output_bias, rescaling, location, scale = p
    values, given, position, index, sums = s
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
                    raw = output_bias[d, 2, k] + dot(hidden, 0, outputs, row + (2 * kinds + k) * size, size)
                    deviations[k] = max(raw, LOWEST_LOG_DEVIATION)
                    if not (np.isfinite(logits[k]) and np.isfinite(means[k]) and np.isfinite(raw)):
                        return False
                block, word = np.uint64(d // 4), d % 4
                u = to_uniform(philox4(seed, index[lane], block, _COMPONENT)[word])
                normal = to_normal(to_uniform(philox4(seed, index[lane], block, _EMISSION)[word]))
                chosen = _inverse_cdf(logits, work, u)
                if chosen < 0:
                    return False
                z = means[chosen] + math.exp(deviations[chosen]) * normal
                value = location[d] + scale[d] * z
                values[lane, d] = value
                if not (np.isfinite(value) and abs(z) <= FARTHEST):
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
