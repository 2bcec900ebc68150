"""What the fused engines of FVSBN, NADE and EoNADE share: where a dimension's pixel lies, and the draw of a dimension.

Dimension (h·W + w)·C + c of a model is pixel (c, h, w), in raster order with colours innermost.
Legend: D dimensions, L levels, F hidden units.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.image.numba_binary import UNDECIDED, decide
from seqgen.kernels.compile import inline
from seqgen.kernels.dots import dot
from seqgen.kernels.draw import draw
from seqgen.kernels.random import uniform
from seqgen.rng import Purpose

_TOKEN = int(Purpose.TOKEN)


def places(shape: tuple[int, int, int]) -> np.ndarray:
    """Where each dimension lies in an image (C, H, W) taken as one row, (D,) int64.

    Example:
        >>> places((2, 1, 3)).tolist()
        [0, 3, 1, 4, 2, 5]
    """
    colours, rows, columns = shape
    flat = np.arange(colours * rows * columns).reshape(shape)
    return np.ascontiguousarray(flat.transpose(1, 2, 0)).ravel()


@inline
def draw_level(p, hidden, at, i, threshold, scratch, seed, index, controls, lane, log_probs):
    """Draw dimension i of a lane from its hidden units hidden[at:], as `draw` does.

    Args:
        p: has the packed rows `matrices` of D · (L - 1) times the padded F from `outputs_at` on, and `output_bias`
            (D, L - 1). threshold: of the dimension, from `fill_thresholds`, if there are two levels.
    """
    others = p.output_bias.shape[1]
    if others == 1:
        logit = p.output_bias[i, 0] + dot(hidden, at, p.matrices, p.outputs_at + i * p.size, p.size)
        if not controls.reshapes[lane] and not log_probs:
            level = decide(logit, threshold)
            if level != UNDECIDED:
                return level, 0.0, 0.0
        scratch.logits[1] = logit
    else:
        for k in range(others):
            begin = p.outputs_at + (i * others + k) * p.size
            scratch.logits[k + 1] = p.output_bias[i, k] + dot(hidden, at, p.matrices, begin, p.size)
    scratch.logits[0] = 0.0
    return draw(scratch, controls, lane, uniform(seed, index[lane], np.uint64(i), _TOKEN), log_probs)


@inline
def keep_log_probs(out, lane, t, per_row, log_prob, log_prob_drawn):
    """Put the two log-probabilities of dimension t of a round, of `per_row` in a row, into `RowArrays`."""
    row, within = t // per_row, t % per_row
    colours = out.log_probs.shape[3]
    out.log_probs[0, lane, row, within % colours, within // colours] = log_prob
    out.log_probs[1, lane, row, within % colours, within // colours] = log_prob_drawn
