"""The logits of NADE for given images, and their gradients, for training.

As in the sampler, the hidden units change only after a level other than 0. Between two such dimensions, the gradients
with respect to the hidden units are summed and then pass through the sigmoid once. This takes a few vector operations
per dimension instead of passes over (B, D, F) arrays, and needs no memory of that size.
Legend: B batch, D dimensions, L levels, F hidden units, P padded hidden units.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.kernels import activations
from seqgen.kernels.compile import inline, kernel
from seqgen.kernels.dots import dot
from seqgen.kernels.loops import put


@inline
def _activate(sums, hidden, count):
    for j in range(count):
        hidden[j] = activations.sigmoid(sums[j])


@inline
def _add(total, row):
    for j in range(len(total)):
        total[j] += row[j]


@inline
def _add_scaled(total, factor, row):
    for j in range(len(total)):
        total[j] += factor * row[j]


@kernel
def logits(x, inputs, input_bias, outputs, output_bias, size, out):
    """Fill `out` (B, D, L - 1) with the logits of all levels but 0.

    Args:
        x: (B, D) uint8 levels. inputs, outputs: (D, L - 1, P) float32, zeros from F = size on. input_bias: (P,).
        output_bias: (D, L - 1).
    """
    dims, others, width = inputs.shape
    flat = outputs.reshape(-1)
    own, hidden = np.empty(width, np.float32), np.zeros(width, np.float32)
    for b in range(len(x)):
        put(input_bias, own)
        _activate(own, hidden, size)
        for i in range(dims):
            for k in range(others):
                row = (i * others + k) * width
                out[b, i, k] = output_bias[i, k] + dot(hidden, 0, flat, row, width)
            if x[b, i] > 0:
                _add(own, inputs[i, x[b, i] - 1])
                _activate(own, hidden, size)


@kernel
def gradients(x, inputs, input_bias, outputs, size, upstream, input_gradient, bias_gradient, output_gradient):
    """Add the gradients of sum(upstream · logits) to the three arrays, which have the shapes of the parameters.

    Args:
        upstream: (B, D, L - 1) float32. The others as for `logits`.
    """
    dims, others, width = inputs.shape
    own = np.empty(width, np.float32)
    kept = np.zeros((dims + 1, width), np.float32)  # the hidden units after each change
    begins = np.empty(dims + 2, np.int64)
    reached, total = np.empty(width, np.float32), np.empty(width, np.float32)
    for b in range(len(x)):
        put(input_bias, own)
        _activate(own, kept[0], size)
        runs = 1
        begins[0] = 0
        for i in range(dims):
            if x[b, i] > 0:
                _add(own, inputs[i, x[b, i] - 1])
                _activate(own, kept[runs], size)
                begins[runs] = i + 1
                runs += 1
        begins[runs] = dims
        total[:] = np.float32(0.0)
        for run in range(runs - 1, -1, -1):
            hidden = kept[run]
            reached[:] = np.float32(0.0)
            for i in range(begins[run], begins[run + 1]):
                for k in range(others):
                    _add_scaled(output_gradient[i, k], upstream[b, i, k], hidden)
                    _add_scaled(reached, upstream[b, i, k], outputs[i, k])
            for j in range(size):
                total[j] += reached[j] * hidden[j] * (np.float32(1.0) - hidden[j])
            if run > 0:
                changed = begins[run] - 1
                _add(input_gradient[changed, x[b, changed] - 1], total)
        _add(bias_gradient, total)
