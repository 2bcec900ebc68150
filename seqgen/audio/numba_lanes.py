"""What kernels read of B lanes of sound, as named structures; see `kernels.lanes`.

Legend: B lanes, k inputs that a step reads, n frames, Z columns of all layers' gates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class SoundState(NamedTuple):
    """Where every lane stands.

    Attributes:
        history: (B, k) float64, the last inputs, the newest first; -1 stands for a symbol before the start, 0 for a
            value before it.
        clock: (B,) int64, steps that the network has made for the lane, those of the prompt included.
        position: (B,) int64, samples that were drawn. index: (B,) uint64, of the samples.
    """

    history: np.ndarray
    clock: np.ndarray
    position: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # tuple.index is hidden


class Local(NamedTuple):
    """What the features add to the gates of a block of samples.

    Attributes:
        frames: (B, n, Z) projected frames; after those of the block's samples there is one more if it is mixed in.
        first: (B,) int64, the number of the first of them.
    """

    frames: np.ndarray
    first: np.ndarray
