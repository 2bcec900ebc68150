"""What kernels read and write of B images that are drawn row by row, as named structures; see `kernels.lanes`.

Legend: B lanes, C colours, H rows, W columns, N rows of a step.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np


class PixelState(NamedTuple):
    """The images of all lanes.

    Attributes:
        image: (B, C, H, W) uint8; known pixels are in place from the start.
        known: (B, C, H, W) bool.
        row: (B,) int64, the next row.
        index: (B,) uint64, of the samples.
    """

    image: np.ndarray
    known: np.ndarray
    row: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # tuple.index is hidden

    def flat(self) -> Self:
        """The same memory with each image as one row, (B, C·H·W)."""
        return self._replace(
            image=self.image.reshape(len(self.image), -1), known=self.known.reshape(len(self.known), -1)
        )


class RowArrays(NamedTuple):
    """What a step makes beside the images.

    Attributes:
        log_probs: (2, B, N, C, W) float64, log-probabilities of the pixels drawn under the model and as drawn (0 of
            known pixels); N is 0 if nobody wants them.
        made: (B,) int64, rows that were drawn.
    """

    log_probs: np.ndarray
    made: np.ndarray
