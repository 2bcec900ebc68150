"""Numbers of bfloat16 as uint16, in compiled code."""

from __future__ import annotations

import numpy as np

from seqgen.kernels.compile import inline

_SHIFT, _ROUND, _LAST = np.uint32(16), np.uint32(0x7FFF), np.uint32(1)


@inline
def wide(bits):
    """The float32 that a bfloat16 is."""
    return np.uint32(np.uint32(bits) << _SHIFT).view(np.float32)


@inline
def narrow(x):
    """The bfloat16 nearest a float32, ties to even."""
    bits = np.float32(x).view(np.uint32)
    return np.uint16(np.uint32(bits + _ROUND + ((bits >> _SHIFT) & _LAST)) >> _SHIFT)
