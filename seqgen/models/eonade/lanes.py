"""Lane state of both EoNADE engines: the drawing order, and the log-probabilities of the image.

The whole image is drawn when its first row is requested; its rows are then returned one by one. The random number of a
dimension is that of its place in raster order, in any drawing order.
Legend: B lanes, D dimensions.
"""

from __future__ import annotations

import numpy as np

from seqgen.engine import Request, Start
from seqgen.models.eonade.orders import checked_order, known_first


class OrderedLanes:
    """Orders and log-probabilities of B lanes.

    Attributes:
        order: (B, D) int64, the dimensions in drawing order.
        log_probs: (B, 2, C, H, W) float64, under the model and as drawn; without rows if they are not requested.
    """

    def __init__(self, request: Request, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        colours, rows, columns = shape
        self.order = np.zeros((request.lanes, colours * rows * columns), np.int64)
        kept = rows if request.log_probs else 0
        self.log_probs = np.zeros((request.lanes, 2, colours, kept, columns))

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {"order": self.order, "log_probs": self.log_probs}

    def begin(self, lanes: np.ndarray, start: Start, known: np.ndarray) -> None:
        """Set the order of `lanes` from their condition; known pixels (C, H, W) come first."""
        order = checked_order(start.condition, self.order.shape[1])
        self.order[lanes] = known_first(order, known.transpose(1, 2, 0).ravel())
        self.log_probs[lanes] = 0.0

    def copy_rows(self, first: np.ndarray, rows: np.ndarray, log_probs: np.ndarray) -> None:
        """Copy the log-probabilities of rows[b] rows of each lane, from first[b] on, into (2, B, N, C, W)."""
        if not log_probs.shape[2]:
            return
        for lane in np.flatnonzero(rows):
            some = self.log_probs[lane, :, :, first[lane] : first[lane] + rows[lane]]
            log_probs[:, lane, : rows[lane]] = some.transpose(0, 2, 1, 3)
