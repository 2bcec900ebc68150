"""What the fused engines of FVSBN, NADE and EoNADE share: where a dimension's pixel lies, and the weights' precision.

Dimension (h·W + w)·C + c of a model is pixel (c, h, w), in raster order with colours innermost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from seqgen.checkpoint import from_bfloat16, is_bfloat16, to_bfloat16


def places(shape: tuple[int, int, int]) -> np.ndarray:
    """Where each dimension lies in an image (C, H, W) taken as one row, (D,) int64.

    Example:
        >>> places((2, 1, 3)).tolist()
        [0, 3, 1, 4, 2, 5]
    """
    colours, rows, columns = shape
    flat = np.arange(colours * rows * columns).reshape(shape)
    return np.ascontiguousarray(flat.transpose(1, 2, 0)).ravel()


def packing(
    arrays: Mapping[str, np.ndarray], names: Sequence[str], precision: str
) -> tuple[dict[str, np.ndarray], str]:
    """Copies of the arrays in float32, and how those of `names` are to be packed, "float32" or "bfloat16".

    Args:
        precision: "bfloat16" rounds all arrays; "auto" packs those of `names` where they are exact in bfloat16.
    """
    floats = {name: np.array(array, np.float32) for name, array in arrays.items()}
    if precision == "bfloat16":
        rounded = {
            name: from_bfloat16(to_bfloat16(array)).reshape(array.shape) for name, array in floats.items()
        }
        return rounded, precision
    exact = precision == "auto" and all(is_bfloat16(floats[name]) for name in names)
    return floats, "bfloat16" if exact else "float32"
