"""The rounds of a stream: B lanes advance together by a chunk each, and a lane whose sample ends takes the next index.

`Rounds` is the part of a stream that changes while it is iterated. It can return to a point that it has saved, and its
rounds are deterministic, so that an interrupted stream is rebuilt by repeating them (`seqgen.streaming`).
Legend: B lanes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seqgen.codecs import Codec, Decoder
from seqgen.engine import Checkpoint, Engine, StepOutput
from seqgen.errors import SeqgenError, nothing_to_draw
from seqgen.per_index import PerIndex

_NOTHING: Mapping[str, Any] = {}


class Chunk(NamedTuple):
    """Consecutive symbols of one sample.

    Attributes:
        index: index of the sample.
        offset: position of the chunk's first symbol in the sample.
        data: str, list or array; the chunks of a sample concatenate to the sample.
        last: whether this is the last chunk of the sample, which may be empty if the model ends the sample.
        extra: in the last chunk "reason" ("length", "stop" or "end"); with log_probs=True the arrays "log_prob" (under
            the model) and "log_prob_drawn" (after the controls), and if decoding loses something (see `Codec.exact`)
            the "symbols" that they belong to; for an HMM "states".
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not used
    offset: int
    data: Any
    last: bool
    extra: Mapping[str, Any] = _NOTHING


class Piece(NamedTuple):
    """A chunk that is computed but not yet decoded: lane, sample index, offset, range in the StepOutput, reason."""

    lane: int
    index: int  # type: ignore[assignment]
    offset: int
    count: int  # type: ignore[assignment]
    reason: str | None


@dataclass(frozen=True)
class Plan:
    """The validated request, as stored in a state."""

    n: int | None
    length: int | None
    batch: int
    chunk: int
    seed: int
    start: int
    precision: str
    log_probs: bool
    prompt: str
    condition: str
    controls: str


class Saved(NamedTuple):
    """A point to which `Rounds` can return: the number of rounds before it, and the pieces decoded of the last one."""

    number: int
    decoded: int
    engine: Checkpoint
    next_index: int
    index: np.ndarray  # type: ignore[assignment]
    offset: np.ndarray
    decoders: tuple[tuple[Decoder, Any], ...]
    stops: tuple[tuple[tuple[int, ...], ...], ...]
    tails: tuple[list[int], ...]
    output: StepOutput | None
    pieces: list[Piece]


class Rounds:
    """The lanes of a stream and the output of their last round.

    Attributes:
        number: number of rounds so far.
        next_index: index of the sample that the next idle lane takes.
        index: (B,) int64, sample of each lane; -1 is an idle lane.
        offset: (B,) int64, symbols of the sample so far.
        decoders, stops, tails: of each lane, its decoder, its stop sequences, and the last symbols, in which a stop
            sequence may have begun.
        output, pieces: the last round's output, and the chunks in it.
        begun: whether the last `refill` has begun any sample.
    """

    def __init__(self, codec: Codec, engine: Engine, plan: Plan, per_index: PerIndex) -> None:
        self._codec, self._engine, self._plan, self._per_index = codec, engine, plan, per_index
        self.reset()

    def reset(self) -> None:
        """Return to the beginning of the stream."""
        lanes = self._plan.batch
        self._engine.settle()
        self.number = 0
        self.next_index = self._plan.start
        self.index = np.full(lanes, -1, np.int64)
        self.offset = np.zeros(lanes, np.int64)
        self.decoders: list[Decoder] = [self._codec.decoder() for _ in range(lanes)]
        self.stops: list[tuple[tuple[int, ...], ...]] = [()] * lanes
        self.tails: list[list[int]] = [[] for _ in range(lanes)]
        self.output: StepOutput | None = None
        self.pieces: list[Piece] = []
        self.begun = False

    def refill(self) -> bool:
        """Give idle lanes the next indices; return whether any lane has a sample."""
        end = None if self._plan.n is None else self._plan.start + self._plan.n
        idle = np.flatnonzero(self.index < 0)
        if end is not None:
            idle = idle[: max(0, end - self.next_index)]
        self.begun = len(idle) > 0
        if not self.begun:
            return bool((self.index >= 0).any())
        indices = self.next_index + np.arange(len(idle))
        self.next_index += len(idle)
        self.index[idle] = indices
        self.offset[idle] = 0
        for lanes, some, start in self._per_index.groups(idle, indices):
            self._engine.begin(lanes, some, start)
            for lane in lanes:
                self.decoders[lane] = self._codec.decoder()
                self.stops[lane] = start.controls.stops
                self.tails[lane] = []
        return True

    def advance(self) -> None:
        """Compute the next chunk of every lane that has a sample."""
        running, plan = self.index >= 0, self._plan
        counts = np.where(running, plan.chunk, 0)
        if plan.length is not None:
            counts = np.where(running, np.minimum(counts, plan.length - self.offset), 0)
        self.output, self.pieces = self._engine.advance(counts), []
        for lane in np.flatnonzero(running):
            self.pieces.append(self._cut(int(lane), self.output, int(counts[lane])))
        self.number += 1

    def decode(self, piece: Piece) -> Chunk:
        """Return a piece as a chunk; those of a lane have to be decoded in their order, each once.

        Raises:
            SeqgenError: if the controls leave nothing to draw after the piece, or a log-probability is NaN.
        """
        made = self.output
        assert made is not None
        if piece.reason == "stuck":
            controlled = self._per_index.controls_of(piece.index).reshapes
            where = f"at position {piece.offset + piece.count} of sample {piece.index}"
            raise nothing_to_draw(controlled=controlled, where=where)
        row = slice(0, piece.count)
        last = piece.reason is not None
        data = self.decoders[piece.lane](made.symbols[piece.lane, row], last)
        extra: dict[str, Any] = {name: array[piece.lane, row].copy() for name, array in made.extra.items()}
        if self._plan.log_probs:
            _require_numbers(piece, extra["log_prob"])
        if self._plan.log_probs and not self._codec.exact:
            extra["symbols"] = made.symbols[piece.lane, row].copy()
        if last:
            extra["reason"] = piece.reason
        return Chunk(piece.index, piece.offset, data, last, extra)

    def save(self, decoded: int) -> Saved:
        """Return the present point, at which `decoded` pieces of the last round have been decoded."""
        return Saved(
            self.number, decoded, self._engine.checkpoint(), self.next_index, self.index.copy(), self.offset.copy(),
            tuple((decoder, decoder.state()) for decoder in self.decoders), tuple(self.stops), tuple(self.tails),
            self.output, self.pieces,
        )  # fmt: skip

    def load(self, saved: Saved) -> None:
        """Return to a saved point."""
        self._engine.rollback(saved.engine)
        for decoder, state in saved.decoders:
            decoder.restore(state)
        self.number, self.next_index = saved.number, saved.next_index
        self.index, self.offset = saved.index.copy(), saved.offset.copy()
        self.decoders = [decoder for decoder, _ in saved.decoders]
        self.stops, self.tails = list(saved.stops), list(saved.tails)
        self.output, self.pieces = saved.output, saved.pieces

    def _cut(self, lane: int, made: StepOutput, asked: int) -> Piece:
        """Return a lane's part of a step, cut at the first stop sequence, and advance the lane."""
        count, offset, index = int(made.counts[lane]), int(self.offset[lane]), int(self.index[lane])
        reason = "end" if made.ended[lane] else "stuck" if count < asked else None
        if self.stops[lane]:
            cut = self._find_stop(lane, made.symbols[lane, :count])
            if cut is not None:
                count, reason = cut, "stop"
        if reason is None and self._plan.length is not None and offset + count >= self._plan.length:
            reason = "length"
        self.offset[lane] = offset + count
        if reason is not None:
            self.index[lane] = -1
        return Piece(lane, index, offset, count, reason)

    def _find_stop(self, lane: int, symbols: np.ndarray) -> int | None:
        """Return how many of the new symbols belong to the sample if a stop sequence ends in them, else None."""
        tail = self.tails[lane]
        text = tail + symbols.tolist()
        ends = []
        for stop in self.stops[lane]:
            size = len(stop)
            ends += [
                e
                for e in range(max(size, len(tail) + 1), len(text) + 1)
                if text[e - 1] == stop[-1] and tuple(text[e - size : e]) == stop
            ][:1]
        keep = max(len(stop) for stop in self.stops[lane]) - 1
        self.tails[lane] = text[-keep:] if keep else []
        return min(ends) - len(tail) if ends else None


def _require_numbers(piece: Piece, log_prob: np.ndarray) -> None:
    """Raise SeqgenError if a log-probability is NaN: the weights are so large that sums overflow."""
    wrong = np.isnan(log_prob)
    if wrong.any():
        place = piece.offset + int(np.argwhere(wrong)[0][0])
        raise SeqgenError(
            f"the log-probability at position {place} of sample {piece.index} is not a number: the model's numbers "
            "overflow, as after a training that diverged; train it with a lower learning rate"
        )
