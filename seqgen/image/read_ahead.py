"""Reading ahead: a stream of one image at a time draws the next images together with the one that is asked for.

Images that are drawn together share what a call costs and every row of weights that is read, and use several threads.
An image is a pure function of (weights, seed, index, start), so that those which are not asked for are merely dropped.
The number of images doubles while they are asked for in order, up to `MOST` or about `BUDGET` of work.
Legend: B lanes (here 1), C colours, H rows, W columns, N images.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np

from seqgen.engine import Start, StepOutput
from seqgen.image.engine import PixelEngine
from seqgen.threads import Workers

MOST = 16
"""Images drawn together at most."""
BUDGET = 1 << 23
"""Multiply-adds of images drawn together at most: less than a millisecond."""
ALONE = 1 << 21
"""Multiply-adds that are not worth waking another thread for."""

_LANE = np.zeros(1, np.int64)


class Ahead(NamedTuple):
    """Images that are drawn, (N, H, C, W) uint8, those of the samples from `first` on with the same `start`."""

    start: Start
    first: int
    images: np.ndarray


class ReadAheadEngine(PixelEngine):
    """A `PixelEngine` that reads ahead if it has one lane and gives no log-probabilities.

    While an image is taken from those drawn ahead, the arrays of the lane are not up to date; `state` writes them.
    A family implements `_allocate`, `_multiply_adds` and `_replay`, and calls `_allocate` and `_prepare` at the end of
    its constructor.
    """

    # what was drawn ahead; the image that is being taken from it, and how many of its rows are
    _ahead: Ahead | None = None
    _taken: tuple[int, int] | None = None
    # how many images to draw together when the lane is advanced; the sample that was begun last, and its start
    _planned = 0
    _last: tuple[int, Start] | None = None

    def _prepare(self) -> None:
        """Decide how many images may be drawn together."""
        few = BUDGET // max(1, self._multiply_adds())
        alone = self.request.lanes == 1 and not self.request.log_probs
        self._most = min(MOST, few) if alone else 0
        self._wide: ReadAheadEngine | None = None

    @abstractmethod
    def _allocate(self) -> None:
        """Allocate the caches of all lanes."""

    @abstractmethod
    def _multiply_adds(self) -> int:
        """Return roughly how many multiply-adds an image costs."""

    @abstractmethod
    def _replay(self, image: np.ndarray, rows: int) -> None:
        """Bring the only lane, which has just begun, to the state after the first `rows` rows of an image (C, H, W)."""

    def state(self) -> dict[str, np.ndarray]:
        self._write_lane()
        return super().state()

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().restore(arrays)
        self._taken, self._last, self._planned = None, None, 0

    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        if self._most < 2:
            super().begin(lanes, indices, start)
            return
        index, ahead, last = int(indices[0]), self._ahead, self._last
        row = int(self.row[0]) if self._taken is None else self._taken[1]
        self._taken, self._planned = None, 0
        if ahead is not None and ahead.start is start:
            number = index - ahead.first
            if 0 <= number < len(ahead.images):
                self._last, self._taken = (index, start), (number, 0)
                return
        # samples of which not all rows are asked for are not read ahead
        if last is not None and last[1] is start and last[0] + 1 == index and row == self.codec.shape[1]:
            follows = ahead is not None and ahead.start is start and ahead.first + len(ahead.images) == index
            self._planned = min(2 * len(ahead.images), self._most) if ahead is not None and follows else 2
        self._last = (index, start)
        super().begin(lanes, indices, start)

    def advance(self, counts: np.ndarray) -> StepOutput:
        if self._planned:
            self._draw_ahead()
        if self._taken is None:
            return super().advance(counts)
        assert self._ahead is not None
        number, row = self._taken
        asked, rows = int(counts[0]), self.codec.shape[1]
        end = min(row + asked, rows)
        symbols = self._ahead.images[number : number + 1, row:end].copy()
        self._taken = number, end
        return StepOutput(symbols, np.array([end - row]), np.array([asked > 0 and end == rows]), {})

    def _draw_ahead(self) -> None:
        """Draw the planned images, of which the first is the lane's; take it unless the controls left it unfinished."""
        count, self._planned, self._ahead = self._planned, 0, None
        assert self._last is not None
        index, start = self._last
        wide = self._wide
        if wide is None:
            wide = self._wide = self._widened()
        wide.begin(np.arange(count), np.uint64(index) + np.arange(count, dtype=np.uint64), start)
        rows = np.zeros(self._most, np.int64)
        rows[:count] = self.codec.shape[1]
        unfinished = (wide._draw(rows, wide._no_log_probs) < rows).nonzero()[0]
        if len(unfinished):
            count = int(unfinished[0])
        if count:
            self._ahead, self._taken = Ahead(start, index, wide.image[:count].transpose(0, 2, 1, 3)), (0, 0)

    def _widened(self) -> Self:
        """Return an engine with the same weights, and lanes of its own for the images drawn together."""
        wide = copy.copy(self)
        wide.request = replace(self.request, lanes=self._most)
        wide._ahead, wide._taken, wide._last, wide._planned, wide._most = None, None, None, 0, 0
        wide._allocate_lanes()
        wide._allocate()
        if self._most * self._multiply_adds() < ALONE:
            wide.workers = Workers(1)
        return wide

    def _write_lane(self) -> None:
        """Write the state within an image drawn ahead to the arrays of the lane; may be interrupted and repeated."""
        if self._taken is None:
            return
        assert self._ahead is not None
        (number, rows), ahead = self._taken, self._ahead
        super().begin(_LANE, np.array([ahead.first + number], np.uint64), ahead.start)
        if rows:
            self._replay(ahead.images[number].transpose(1, 0, 2), rows)
            self.row[0] = rows
