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

    @property
    def end(self) -> int:
        """The first index that has no sample; an endless stream ends with the last index that there is."""
        return 2**63 if self.n is None else self.start + self.n


class Saved(NamedTuple):
    """A point to which `Rounds` can return: the number of rounds before it, and the pieces decoded of the last one."""

    number: int
    decoded: int
    engine: Checkpoint
    next_index: int
    index: list[int]  # type: ignore[assignment]
    offset: list[int]
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
        index: of each lane, its sample; -1 is an idle lane.
        offset: of each lane, the symbols of its sample so far.
        decoders, stops, tails: of each lane, its decoder, its stop sequences, and the last symbols, in which a stop
            sequence may have begun.
        output, pieces: the last round's output, and the chunks in it.
        begun: whether the last `refill` has begun any sample.

    What is kept of a lane is in lists, as a number is read and written faster in a list than in an array.
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
        self.index = [-1] * lanes
        self.offset = [0] * lanes
        self.decoders: list[Decoder] = [self._codec.decoder() for _ in range(lanes)]
        self.stops: list[tuple[tuple[int, ...], ...]] = [()] * lanes
        self.tails: list[list[int]] = [[] for _ in range(lanes)]
        self.output: StepOutput | None = None
        self.pieces: list[Piece] = []
        self.begun = False
        self.placed()

    def placed(self) -> None:
        """Find the idle lanes, and how many symbols to ask for of the others, after `index` and `offset` were set."""
        self._idle = [lane for lane, index in enumerate(self.index) if index < 0]
        self._counts = [
            0 if index < 0 else self._next_count(offset)
            for index, offset in zip(self.index, self.offset, strict=True)
        ]

    def _next_count(self, offset: int) -> int:
        """Return how many symbols to ask for of a sample that has `offset` symbols."""
        chunk, length = self._plan.chunk, self._plan.length
        return chunk if length is None else min(chunk, length - offset)

    def refill(self) -> bool:
        """Give idle lanes the next indices; return whether any lane has a sample."""
        idle, plan = self._idle, self._plan
        if not idle:
            self.begun = False
            return True
        idle = idle[: max(0, plan.end - self.next_index)]
        self.begun = bool(idle)
        if not idle:
            return len(self._idle) < plan.batch
        self._idle = self._idle[len(idle) :]
        first, self.next_index = self.next_index, self.next_index + len(idle)
        count = self._next_count(0)
        for index, lane in enumerate(idle, first):
            self.index[lane], self.offset[lane], self._counts[lane] = index, 0, count
        for lanes, some, start in self._per_index.groups(np.array(idle), first + np.arange(len(idle))):
            self._engine.begin(lanes, some, start)
            for lane in lanes.tolist():
                self.decoders[lane] = self._codec.decoder()
                self.stops[lane] = start.controls.stops
                self.tails[lane] = []
        return True

    def advance(self) -> None:
        """Compute the next chunk of every lane that has a sample."""
        made = self._engine.advance(np.array(self._counts))
        counts, ended = made.counts.tolist(), made.ended.tolist()
        self.output = made
        self.pieces = [
            self._cut(lane, made, counts[lane], ended[lane])
            for lane, index in enumerate(self.index)
            if index >= 0
        ]
        self.number += 1

    def decode(self, piece: Piece) -> Chunk:
        """Return a piece as a chunk; those of a lane have to be decoded in their order, each once.

        Raises:
            SeqgenError: if the controls leave nothing to draw after the piece, or a log-probability is NaN.
        """
        made = self.output
        assert made is not None
        lane, index, offset, count, reason = piece
        if reason == "stuck":
            controlled = self._per_index.controls_of(index).reshapes
            where = f"at position {offset + count} of sample {index}"
            raise nothing_to_draw(controlled=controlled, where=where)
        last = reason is not None
        symbols = made.symbols[lane, :count]
        data = self.decoders[lane](symbols, last)
        extra: dict[str, Any] = {}
        if made.extra:
            for name, array in made.extra.items():
                extra[name] = array[lane, :count].copy()
        if self._plan.log_probs:
            _require_numbers(piece, extra["log_prob"])
            if not self._codec.exact:
                extra["symbols"] = symbols.copy()
        if last:
            extra["reason"] = reason
        return Chunk(index, offset, data, last, extra)

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
        self.placed()
        self.decoders = [decoder for decoder, _ in saved.decoders]
        self.stops, self.tails = list(saved.stops), list(saved.tails)
        self.output, self.pieces = saved.output, saved.pieces

    def _cut(self, lane: int, made: StepOutput, count: int, ended: bool) -> Piece:
        """Return a lane's part of a step, cut at the first stop sequence, and advance the lane."""
        index, offset, length = self.index[lane], self.offset[lane], self._plan.length
        reason = "end" if ended else "stuck" if count < self._counts[lane] else None
        if self.stops[lane]:
            cut = self._find_stop(lane, made.symbols[lane, :count])
            if cut is not None:
                count, reason = cut, "stop"
        self.offset[lane] = after = offset + count
        if reason is None and length is not None:
            if after >= length:
                reason = "length"
            else:
                self._counts[lane] = self._next_count(after)
        if reason is not None:
            self.index[lane], self._counts[lane] = -1, 0
            self._idle.append(lane)
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
