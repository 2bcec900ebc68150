"""What the fused engines of FVSBN, NADE and EoNADE share: where a dimension's pixel lies, and its log-probabilities.

Dimension (h·W + w)·C + c of a model is pixel (c, h, w), in raster order with colours innermost.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs
from __future__ import annotations

import numpy as np

from seqgen.kernels.compile import inline


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
def keep_log_probs(out, lane, t, per_row, log_prob, log_prob_drawn):
    """Put the two log-probabilities of dimension t of a step, of `per_row` in a row, into `RowArrays`."""
    row, within = t // per_row, t % per_row
    colours = out.log_probs.shape[3]
    out.log_probs[0, lane, row, within % colours, within // colours] = log_prob
    out.log_probs[1, lane, row, within % colours, within // colours] = log_prob_drawn
