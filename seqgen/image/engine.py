"""The base of all engines of image models: B images that are drawn row by row, with known pixels fixed.

Random numbers: pixel (c, h, w) uses the uniform of position (h·W + w)·C + c, its place in raster order, whatever was
drawn before it.
Legend: B lanes, C colours, H rows, W columns, N rows per step, L levels.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.codecs.pixels import UNKNOWN, Pixels
from seqgen.engine import Engine, Request, Start, StepOutput
from seqgen.engines.lane_controls import LaneControls, rows_of
from seqgen.engines.requirements import require_finite
from seqgen.errors import SeqgenError
from seqgen.image.numba_lanes import PixelState
from seqgen.kernels.lanes import by_name


class PixelEngine(Engine):
    """Base class of engines of image models. A family implements `_begin` and `_draw`, and adds caches to `state`.

    Attributes:
        completes: "raster" if known pixels must be a prefix in raster order, "any" if any pixels may be known,
            "coarse-first" if they must be a prefix in the order of a small image followed by the other pixels.
        pixels: the state of every lane; image, known, row and index are its fields.
        controls: the controls of the lanes, over L levels.
        noise_offset: offset of all positions of random numbers; 0, unless the image is only a part of a sample.
    """

    completes: ClassVar[str] = "raster"

    def __init__(self, weights: Weights, request: Request) -> None:
        require_finite(weights)
        config: dict[str, Any] = dict(weights.config["codec"])
        self.codec = Pixels(config["shape"], config["levels"])
        self.request = request
        self.noise_offset = 0
        self._allocate_lanes()

    def _allocate_lanes(self) -> None:
        """Allocate the arrays that all families have, of as many lanes as are requested."""
        lanes, (colours, rows, columns) = self.request.lanes, self.codec.shape
        shape = (lanes, colours, rows, columns)
        self.pixels = PixelState(
            image=np.zeros(shape, np.uint8),
            known=np.zeros(shape, np.bool_),
            row=np.zeros(lanes, np.int64),
            index=np.zeros(lanes, np.uint64),
        )
        self.image, self.known, self.row, self.index = self.pixels
        self.controls = LaneControls(lanes, self.codec.levels)
        # operations of two small arrays take half the time of those with a Python number
        self._rows = np.full(lanes, rows)
        self._nothing = np.zeros(lanes, np.int64)
        self._no_log_probs = np.zeros((2, lanes, 0, colours, columns))

    def state(self) -> dict[str, np.ndarray]:
        return {**self.pixels._asdict(), **self.controls.state()}

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        self.controls.begin(lanes, start.controls, None)
        at = rows_of(lanes)
        self.index[at] = indices
        self.row[at] = 0
        self.image[at] = 0
        self.known[at] = False
        if start.prompt is not None:
            known = start.prompt != UNKNOWN
            if self.completes == "raster":
                require_raster_prefix(known)
            self.known[at] = known
            self.image[at] = np.where(known, start.prompt, 0).astype(np.uint8)
        self._begin(lanes, start)

    def advance(self, counts: np.ndarray) -> StepOutput:
        colours, _, columns = self.codec.shape
        row = self.row
        first, left = row.tolist(), self._rows - row
        asked = np.minimum(counts, left)
        lanes, longest = len(counts), max(asked.tolist())
        wanted = self.request.log_probs
        log_probs = np.zeros((2, lanes, longest, colours, columns)) if wanted else self._no_log_probs
        made = self._draw(asked, log_probs)
        row += made
        if lanes == 1:
            # the same as below, in a call less
            drawn = self.image[:, :, first[0] : row.item()]
            symbols = drawn.transpose(0, 2, 1, 3).copy()
        else:
            symbols = np.zeros((lanes, longest, colours, columns), np.uint8)
            for lane, (begin, count) in enumerate(zip(first, made.tolist(), strict=True)):
                if count:
                    drawn = self.image[lane, :, begin : begin + count]
                    symbols[lane, :count] = drawn.transpose(1, 0, 2)
        ended = (made == left) & (counts > self._nothing)
        return StepOutput(symbols, made, ended, by_name(log_probs) if wanted else {})

    @abstractmethod
    def _begin(self, lanes: np.ndarray, start: Start) -> None:
        """Check and store the condition, and reset the caches of `lanes` to the first row."""

    @abstractmethod
    def _draw(self, rows: np.ndarray, log_probs: np.ndarray) -> np.ndarray:
        """Draw `rows[b]` rows of lane b, from `row[b]` on, into `image`; the caller advances `row`.

        Args:
            rows: (B,) int64; 0 for an idle lane.
            log_probs: (2, B, N, C, W), filled with the log-probabilities of the pixels under the model and as drawn (0
                for
                known pixels); N is 0 if they are not requested.

        Returns:
            (B,) rows drawn: fewer than requested where the controls leave no level to draw.
        """


def require_raster_prefix(known: np.ndarray) -> None:
    """Raise SeqgenError unless the known pixels (C, H, W) come before all unknown ones in raster order."""
    order = known.transpose(1, 2, 0).ravel()
    first = int(np.argmin(order))
    if order[first] or not order[first:].any():
        return
    colours, _, columns = known.shape
    later = first + int(np.argmax(order[first:]))

    def place(position: int) -> str:
        pixel, colour = divmod(position, colours)
        words = f"row {pixel // columns}, column {pixel % columns}"
        return words + (f", colour {colour}" if colours > 1 else "")

    raise SeqgenError(
        f"this model draws in raster order and can only complete images whose known pixels come first: the pixel at "
        f"{place(later)} is known, but the one at {place(first)} is not; keep whole rows from the top, or use a model "
        'that completes "any" mask (EoNADE)'
    )


def positions(shape: tuple[int, int, int], row: int) -> np.ndarray:
    """Return the random-number positions of the pixels of a row, (C, W) uint64."""
    colours, _, columns = shape
    pixels = np.uint64(row * columns) + np.arange(columns, dtype=np.uint64)
    return pixels[None, :] * np.uint64(colours) + np.arange(colours, dtype=np.uint64)[:, None]
