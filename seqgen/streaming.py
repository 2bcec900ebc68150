"""Streams: the samples of a model, chunk by chunk, exactly resumable.

A stream advances B lanes together and yields their chunks lane by lane, in an order that depends only on the request. A
lane whose sample ends continues with the next index. The symbols of a sample are computed by the engine and are a pure
function of (weights, seed, index, prompt or condition, controls). The state of a stream is therefore small: the next
index, the index and position of each lane, and the engine's caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.codecs import Codec, Decoder, codec_from_config
from seqgen.engine import Engine, Request, StepOutput
from seqgen.errors import SeqgenError, choice, integer, optional_integer
from seqgen.per_index import PerIndex
from seqgen.registry import ENGINES, family, validated
from seqgen.schema import Schema, Sizes
from seqgen.stats import StreamStats
from seqgen.stream_state import digest, lane_integers, pack, rebuild, require_same_position, unpack, unpacked
from seqgen.threads import usable_threads

STATE_FORMAT = 1
_MOST_SYMBOLS = 1 << 62
_NOTHING: Mapping[str, Any] = {}


class Chunk(NamedTuple):
    """Consecutive symbols of one sample.

    Attributes:
        index: index of the sample.
        offset: position of the chunk's first symbol in the sample.
        data: str, list or array; the chunks of a sample concatenate to the sample.
        last: whether this is the last chunk of the sample, which may be empty if the model ends the sample.
        extra: in the last chunk "reason" ("length", "stop" or "end"); with log_probs=True the arrays "log_prob" (under
            the model) and "log_prob_drawn" (after the controls); for an HMM "states".
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which is not used
    offset: int
    data: Any
    last: bool
    extra: Mapping[str, Any] = _NOTHING


class _Piece(NamedTuple):
    """A chunk that is computed but not yet decoded: lane, sample index, offset, range in the StepOutput, reason."""

    lane: int
    index: int  # type: ignore[assignment]
    offset: int
    count: int  # type: ignore[assignment]
    reason: str | None


@dataclass(frozen=True)
class _Plan:
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


class Stream:
    """An iterator of `Chunk`s, created by `model.stream(...)` or `seqgen.stream(...)`, which document the arguments.

    A stream is also a context manager and an asynchronous iterator. `stats` holds its statistics, `engine` the name of
    the engine.
    """

    def __init__(
        self,
        weights: Weights,
        n: int | None = None,
        length: int | None = None,
        *,
        batch: int = 1,
        chunk: int | None = None,
        seed: int = 0,
        start: int = 0,
        prompt: Any = None,
        condition: Any = None,
        controls: Any = None,
        engine: str = "auto",
        precision: str = "auto",
        log_probs: bool = False,
        threads: int | None = None,
        model: Any = None,
    ) -> None:
        kind = family(weights.family)
        # weights of a live model are valid; those from a file are checked before anything is built from them
        checked = validated(weights) if model is None else None
        self.codec: Codec = codec_from_config(weights.config["codec"]) if checked is None else checked.codec
        self._weights, self._checked = weights, checked
        choice("engine", engine, ENGINES)
        choice("precision", precision, ("auto", *kind.precisions))
        n = optional_integer("n", n, low=1)
        length = optional_integer("length", length, low=1)
        batch = integer("batch", batch, low=1)
        self._per_index = PerIndex(self.codec, prompt, condition, controls)
        self._plan = _Plan(
            n=n,
            length=length,
            batch=batch if n is None else min(batch, n),
            chunk=_chunk(chunk, kind.chunk, length),
            seed=integer("seed", seed, low=0, high=2**64 - 1),
            start=integer("start", start, low=0, high=2**63 - (n or 1)),
            precision=precision,
            log_probs=bool(log_probs),
            **self._per_index.described(),
        )
        name = next(iter(kind.engines)) if engine == "auto" else engine
        request = Request(
            seed=self._plan.seed,
            lanes=self._plan.batch,
            log_probs=self._plan.log_probs,
            precision=precision,
            threads=usable_threads() if threads is None else integer("threads", threads, low=1),
        )
        if n is not None:
            self._per_index.check(self._plan.start, self._plan.start + n)
        self._engine: Engine | None = kind.engine_class(name)(weights, request, model=model)
        self.engine = name
        self.stats = StreamStats()
        self._next_index = self._plan.start
        lanes = self._plan.batch
        self._index = np.full(lanes, -1, np.int64)
        self._offset = np.zeros(lanes, np.int64)
        self._decoders: list[Decoder] = [self.codec.decoder() for _ in range(lanes)]
        self._stops: list[tuple[tuple[int, ...], ...]] = [()] * lanes
        self._tails: list[list[int]] = [[] for _ in range(lanes)]
        self._output: StepOutput | None = None
        self._pieces: list[_Piece] = []
        self._cursor = 0

    # ---- iterating --------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        since = self.stats.requested()
        if self._cursor == len(self._pieces) and not self._advance():
            raise StopIteration
        piece = self._pieces[self._cursor]
        chunk = self._deliver(piece)
        self._cursor += 1
        self.stats.delivered(since, piece.count, chunk.last)
        return chunk

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield the chunks for `async for`; each is computed in a thread, so that the event loop is not blocked."""
        while (chunk := await asyncio.to_thread(next, self, None)) is not None:
            yield chunk

    def _live(self) -> Engine:
        if self._engine is None:
            raise SeqgenError("the stream is closed; make a new one and load its state_dict to resume")
        return self._engine

    def _advance(self) -> bool:
        """Compute the next chunk of every lane; return False when no sample is left."""
        engine = self._live()
        self._refill(engine)
        running = self._index >= 0
        if not running.any():
            return False
        plan = self._plan
        counts = np.where(running, plan.chunk, 0)
        if plan.length is not None:
            counts = np.where(running, np.minimum(counts, plan.length - self._offset), 0)
        made = engine.advance(counts)
        self._output, self._cursor, self._pieces = made, 0, []
        for lane in np.flatnonzero(running):
            self._pieces.append(self._cut(int(lane), made, int(counts[lane])))
        return True

    def _cut(self, lane: int, made: StepOutput, asked: int) -> _Piece:
        """Return a lane's part of a step, cut at the first stop sequence, and advance the lane."""
        count, offset, index = int(made.counts[lane]), int(self._offset[lane]), int(self._index[lane])
        reason = "end" if made.ended[lane] else "stuck" if count < asked else None
        if self._stops[lane]:
            cut = self._find_stop(lane, made.symbols[lane, :count])
            if cut is not None:
                count, reason = cut, "stop"
        if reason is None and self._plan.length is not None and offset + count >= self._plan.length:
            reason = "length"
        self._offset[lane] = offset + count
        if reason is not None:
            self._index[lane] = -1
        return _Piece(lane, index, offset, count, reason)

    def _find_stop(self, lane: int, symbols: np.ndarray) -> int | None:
        """Return how many of the new symbols belong to the sample if a stop sequence ends in them, else None."""
        tail = self._tails[lane]
        text = tail + symbols.tolist()
        ends = []
        for stop in self._stops[lane]:
            size = len(stop)
            ends += [
                e
                for e in range(max(size, len(tail) + 1), len(text) + 1)
                if text[e - 1] == stop[-1] and tuple(text[e - size : e]) == stop
            ][:1]
        keep = max(len(stop) for stop in self._stops[lane]) - 1
        self._tails[lane] = text[-keep:] if keep else []
        return min(ends) - len(tail) if ends else None

    def _refill(self, engine: Engine) -> None:
        """Assign the next indices to idle lanes."""
        end = None if self._plan.n is None else self._plan.start + self._plan.n
        idle = np.flatnonzero(self._index < 0)
        if end is not None:
            idle = idle[: max(0, end - self._next_index)]
        if not len(idle):
            return
        indices = self._next_index + np.arange(len(idle))
        self._next_index += len(idle)
        self._index[idle] = indices
        self._offset[idle] = 0
        for lanes, some, start in self._per_index.groups(idle, indices):
            engine.begin(lanes, some, start)
            for lane in lanes:
                self._decoders[lane] = self.codec.decoder()
                self._stops[lane] = start.controls.stops
                self._tails[lane] = []

    def _deliver(self, piece: _Piece) -> Chunk:
        made = self._output
        assert made is not None
        if piece.reason == "stuck":
            raise SeqgenError(
                f"the controls leave no symbol to draw at position {piece.offset + piece.count} of sample "
                f"{piece.index}; allow symbols that can follow, or use a model with smoothing"
            )
        row = slice(0, piece.count)
        last = piece.reason is not None
        data = self._decoders[piece.lane](made.symbols[piece.lane, row], last)
        extra: dict[str, Any] = {name: array[piece.lane, row].copy() for name, array in made.extra.items()}
        if last:
            extra["reason"] = piece.reason
        return Chunk(piece.index, piece.offset, data, last, extra)

    # ---- draining ---------------------------------------------------------------------------------------

    def collect(self) -> dict[int, list[Chunk]]:
        """Drain the stream and return the chunks of every sample by index."""
        if self._plan.n is None:
            raise ValueError("an endless stream cannot be collected; give n")
        samples: dict[int, list[Chunk]] = {
            i: [] for i in range(self._plan.start, self._plan.start + self._plan.n)
        }
        for chunk in self:
            samples[chunk.index].append(chunk)
        return samples

    # ---- resuming ---------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the stream after the last delivered chunk, as JSON values."""
        waiting = []
        if self._output is not None:
            for piece in self._pieces[self._cursor :]:
                row = slice(0, piece.count)
                arrays = {name: a[piece.lane, row] for name, a in self._output.extra.items()}
                waiting.append(
                    {
                        **piece._asdict(),
                        "symbols": pack(self._output.symbols[piece.lane, row]),
                        "extra": {name: pack(a) for name, a in arrays.items()},
                    }
                )
        state = {
            "format": STATE_FORMAT,
            "weights": self._weights.hash,
            "engine": self.engine,
            "plan": dict(vars(self._plan)),
            "next_index": self._next_index,
            "index": self._index.tolist(),
            "offset": self._offset.tolist(),
            "decoders": [decoder.state() for decoder in self._decoders],
            "tails": [list(tail) for tail in self._tails],
            "waiting": waiting,
            "caches": {name: pack(array) for name, array in self._live().snapshot().items()},
        }
        return {**state, "digest": digest(state)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, which another stream of the same request returned.

        Raises:
            SeqgenError: if the state is of another model, engine, version or request; the message names the difference.
        """
        engine = self._live()
        if not isinstance(state, Mapping) or "format" not in state:
            raise SeqgenError("this is not the state of a stream; give what state_dict() returned")
        if state["format"] != STATE_FORMAT:
            raise SeqgenError(f"the state has format {state['format']!r}, this version reads {STATE_FORMAT}")
        try:
            if state["digest"] != digest(state):
                raise ValueError("its contents do not match its digest")
            self._require_same_request(state)
            schema = self._checked or family(self._weights.family).schema_of(self._weights.config)
            sizes = {**schema.sizes(self._weights.arrays), **engine.lengths(), "B": self._plan.batch}
            place = self._read(state, schema, sizes)
            caches = {name: unpack(packed) for name, packed in state["caches"].items()}
            schema.check_state(self.engine, caches, sizes, log_probs=self._plan.log_probs)
            require_same_position(caches, place["_index"], place["_offset"])
            self._restore(engine, caches)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise SeqgenError(
                f"the state is damaged ({error!r}); give what state_dict() returned, unchanged"
            ) from None
        for name, value in place.items():
            setattr(self, name, value)
        running = np.flatnonzero(self._index >= 0)
        for lanes, _, start in self._per_index.groups(running, self._index[running]):
            engine.attach(lanes, start)

    @staticmethod
    def _restore(engine: Engine, caches: Mapping[str, np.ndarray]) -> None:
        """Restore the engine; if it refuses the state, leave it unchanged."""
        before = engine.snapshot()
        try:
            engine.restore(caches)
        except BaseException:
            engine.restore(before)
            raise

    def _require_same_request(self, state: Mapping[str, Any]) -> None:
        if state["weights"] != self._weights.hash:
            raise SeqgenError(
                f"the state belongs to weights {str(state['weights'])[:12]}…, this model has "
                f"{self._weights.hash[:12]}…; load the model that was streamed"
            )
        given = {**state["plan"], "engine": state["engine"]}
        own = {**vars(self._plan), "engine": self.engine}
        for name, value in own.items():
            if given.get(name) != value:
                raise SeqgenError(
                    f"the state was made with {name}={given.get(name)!r}, this stream has {name}={value!r}; "
                    "make the stream with the same arguments"
                )

    def _read(self, state: Mapping[str, Any], schema: Schema, sizes: Sizes) -> dict[str, Any]:
        """Return the attributes that a state encodes; the stream is not changed, so an invalid state has no effect."""
        plan, lanes = self._plan, self._plan.batch
        end = 2**63 - 1 if plan.n is None else plan.start + plan.n
        next_index = integer("next_index", state["next_index"], low=plan.start, high=end)
        index = lane_integers("index", state["index"], lanes, low=-1, high=next_index - 1)
        longest = _MOST_SYMBOLS if plan.length is None else plan.length
        waiting = [unpacked(piece, lanes, plan.chunk) for piece in state["waiting"]]
        for piece in waiting:
            made = {"symbols": piece["symbols"], **piece["extra"]}
            schema.check_output(made, {**sizes, "N": piece["count"]}, log_probs=plan.log_probs)
        pieces = [_Piece(*(piece[name] for name in _Piece._fields)) for piece in waiting]
        busy = {piece.lane: piece.index for piece in pieces}
        if len(busy) < len(pieces):
            raise ValueError("it has two chunks of one lane")
        decoders, stops = [], []
        for lane in range(lanes):
            decoder = self.codec.decoder()
            decoder.restore(state["decoders"][lane])
            decoders.append(decoder)
            current = busy.get(lane, int(index[lane]))
            stops.append(self._per_index.controls_of(current).stops if current >= 0 else ())
        return {
            "_next_index": next_index,
            "_index": index,
            "_offset": lane_integers("offset", state["offset"], lanes, low=0, high=longest),
            "_tails": [
                [integer("tails", symbol) for symbol in state["tails"][lane]] for lane in range(lanes)
            ],
            "_decoders": decoders,
            "_stops": stops,
            "_pieces": pieces,
            "_cursor": 0,
            "_output": rebuild(waiting, lanes),
        }

    # ---- ending -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Free the engine. May be called twice; the stream cannot be iterated afterwards."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
            self._pieces, self._cursor, self._output = [], 0, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _chunk(chunk: int | None, default: int, length: int | None) -> int:
    size = default if chunk is None else integer("chunk", chunk, low=1)
    return size if length is None else min(size, length)
