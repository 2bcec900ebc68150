"""Streams: the samples of a model, chunk by chunk, exactly resumable.

A stream advances B lanes together and yields their chunks lane by lane, in an order that depends only on the request. A
lane whose sample ends continues with the next index. The symbols of a sample are computed by the engine and are a pure
function of (weights, seed, index, prompt or condition, controls). The state of a stream is therefore small: the next
index, the index and position of each lane, and the engine's caches.

An exception of a signal handler, such as KeyboardInterrupt, can be raised after any call. A stream therefore commits
each chunk by one assignment, to the number of rounds and of chunks of the last round that were delivered. Whatever was
interrupted is rebuilt from the last saved point by repeating the rounds since, which are deterministic.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from threading import get_ident
from typing import Any, Self

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.codecs import Codec
from seqgen.engine import Engine, Request
from seqgen.errors import SeqgenError, choice, integer, optional_integer
from seqgen.per_index import PerIndex
from seqgen.registry import ENGINES, family, validated
from seqgen.rounds import Chunk, Plan, Rounds, Saved
from seqgen.stats import StreamStats
from seqgen.stream_state import MOST_SYMBOLS, StateFormat, damaged
from seqgen.threads import usable_threads
from seqgen.turns import Turn, Turns

__all__ = ["Chunk", "Stream"]

_MOST_LANES, _MOST_IN_CHUNK, _MOST_THREADS = 1 << 31, 1 << 31, 1 << 16
_RARELY = 100  # points are saved so rarely that this takes at most one part in so many of the time


class Stream:
    """An iterator of `Chunk`s, created by `model.stream(...)` or `seqgen.stream(...)`, which document the arguments.

    A stream is also a context manager and an asynchronous iterator. `stats` holds its statistics, `engine` the name of
    the engine. Several threads may use it, one after another gets a chunk. After an interrupt, in whatever method, it
    goes on as if nothing had happened. It can be pickled, as its request and state, and used in a forked child.
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
        self._arguments: dict[str, Any] = {
            "n": n, "length": length, "batch": batch, "chunk": chunk, "seed": seed, "start": start, "prompt": prompt,
            "condition": condition, "controls": controls, "engine": engine, "precision": precision,
            "log_probs": log_probs, "threads": threads,
        }  # fmt: skip
        kind = family(weights.family)
        # weights of a live model are valid; those from a file are checked before anything is built from them
        checked = None
        if model is None:
            checked = validated(weights)
            weights.hash  # noqa: B018 (now, because the owner of these weights may write to their arrays later)
        self.codec: Codec = weights.codec if checked is None else checked.codec
        self._weights, self._checked = weights, checked
        choice("engine", engine, ENGINES)
        choice("precision", precision, ("auto", *kind.precisions))
        n = optional_integer("n", n, low=1, most=2**63 - 1)
        length = optional_integer("length", length, low=1, most=MOST_SYMBOLS)
        batch = integer("batch", batch, low=1)
        batch = integer("batch", batch if n is None else min(batch, n), most=_MOST_LANES)
        threads = optional_integer("threads", threads, low=1, most=_MOST_THREADS)
        self._per_index = PerIndex(self.codec, prompt, condition, controls)
        self._plan = Plan(
            n=n,
            length=length,
            batch=batch,
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
            threads=usable_threads() if threads is None else threads,
        )
        if n is not None:
            self._per_index.check(self._plan.start, self._plan.start + n)
        try:
            self._engine: Engine | None = kind.engine_class(name)(weights, request, model=model)
        except MemoryError as error:
            raise SeqgenError(
                f"batch is {batch}, and so many samples at a time do not fit into the memory ({error}); give a smaller "
                "batch"
            ) from None
        self.engine = name
        self.stats = StreamStats()
        self._rounds = Rounds(self.codec, self._engine, self._plan, self._per_index)
        self._format = StateFormat(weights, name, self._plan, self.codec, self._per_index)
        # what has been delivered: rounds, and chunks of the last of them
        self._at = self._after = (0, 0)
        self._torn = False  # whether an exception may have left `_rounds` or the engine between two points
        self._turns = Turns()
        self._saved: Saved | None = None
        self._saved_at = self._save_cost = 0.0
        self._asked: float | None = None

    # ---- iterating --------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        own, turns = [get_ident()], self._turns
        try:
            # the same as `_begin`, without its calls where no other thread or interrupt is concerned
            if turns.wanted or self._torn or turns.holder.setdefault("thread", own) is not own:
                self._begin(own)
            chunk = self._next()
        except BaseException:
            self._turns.end(own)
            raise
        if chunk is None:
            self._torn, self._turns.holder = False, {}
            raise StopIteration
        # no call stands between this and the return, so that no exception comes between
        self._at, self._torn, turns.holder = self._after, False, {}
        return chunk

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield the chunks for `async for`; each is computed in a thread, so that the event loop is not blocked.

        A chunk that is being computed when the task is cancelled is the next one.
        """
        while await asyncio.to_thread(self._prepare):
            chunk = next(self, None)
            if chunk is not None:
                yield chunk

    def _next(self) -> Chunk | None:
        """Compute and decode the next chunk, and put what is to be committed in `_after`; None at the end."""
        if self._engine is None:
            self._live()
        stats, rounds = self.stats, self._rounds
        since = stats.requested() if self._asked is None else self._asked
        self._torn = True
        number, delivered = self._at
        if delivered == len(rounds.pieces):
            if not self._advance():
                return None
            number, delivered = number + 1, 0
        piece = rounds.pieces[delivered]
        chunk = rounds.decode(piece)
        self._after, self._asked = (number, delivered + 1), None
        stats.delivered(since, piece.count, chunk.last)
        return chunk

    def _prepare(self) -> bool:
        """Compute the next chunk without delivering it; return False at the end."""
        own = [get_ident()]
        try:
            self._begin(own)
            self._live()
            self._asked = self.stats.requested() if self._asked is None else self._asked
            self._torn = True
            rounds, delivered = after = self._at
            more = True
            if delivered == len(self._rounds.pieces):
                more = self._advance()
                after = (rounds + 1, 0) if more else after
        except BaseException:
            self._turns.end(own)
            raise
        self._at, self._torn, self._turns.holder = after, False, {}
        return more

    def _advance(self) -> bool:
        """Compute the next round; return False if no sample is left."""
        rounds = self._rounds
        if not rounds.refill():
            return False
        begins_once = rounds.begun and self._live().begins_once
        if (
            self._saved is None
            or begins_once
            or time.perf_counter() >= self._saved_at + _RARELY * self._save_cost
        ):
            self._save(len(rounds.pieces))
        rounds.advance()
        return True

    def _save(self, decoded: int) -> None:
        began = time.perf_counter()
        self._saved = self._rounds.save(decoded)
        self._saved_at = time.perf_counter()
        self._save_cost = self._saved_at - began

    def _live(self) -> Engine:
        if self._engine is None:
            raise SeqgenError("the stream is closed; make a new one and load its state_dict to resume")
        return self._engine

    # ---- turns and interrupts -----------------------------------------------------------------------------

    def _begin(self, own: Turn, *, whole: bool = True) -> None:
        """Wait until no other thread uses the stream; if `whole`, mend what an exception has interrupted."""
        if self._turns.take(self, own):
            # another thread was within a call when the process was forked
            self._torn = True
        if whole and self._torn:
            self._mend()

    def _mend(self) -> None:
        """Return to what has been delivered."""
        if self._engine is None:
            return
        rounds, (number, delivered) = self._rounds, self._at
        saved = self._saved
        decoded = 0
        if saved is None:
            rounds.reset()
        else:
            rounds.load(saved)
            decoded = saved.decoded
        while True:
            last = rounds.number == number
            for piece in rounds.pieces[decoded : delivered if last else None]:
                rounds.decode(piece)
            if last:
                break
            rounds.refill()
            rounds.advance()
            decoded = 0
        self.stats.undo()
        self._torn = False

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
        """Return the state of the stream after the last delivered chunk, as JSON values.

        A signal handler may call this at any time.
        """
        if self._turns.is_nested(self):
            return self._twin().state_dict()
        own = [get_ident()]
        try:
            self._begin(own)
            return self._format.write(self._rounds, self._at[1], self._live().snapshot())
        finally:
            self._turns.end(own)

    def _twin(self) -> Stream:
        """Return another stream at the same place, while this one may be between two points."""
        if self._live().begins_once:
            raise SeqgenError(
                "the stream is in use, and its condition is read while it is generated; take the state between chunks"
            )
        saved, at = self._saved, self._at
        twin = Stream(self._weights, **self._arguments)
        if saved is not None:
            decoders = tuple((self.codec.decoder(), state) for _, state in saved.decoders)
            saved = saved._replace(decoders=decoders)
        twin._saved, twin._at, twin._torn = saved, at, True
        return twin

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, which another stream of the same request returned.

        Raises:
            SeqgenError: if the state is of another model, engine, version or request; the message names the difference.
        """
        own = [get_ident()]
        try:
            self._begin(own)
            self._load(state)
        finally:
            self._turns.end(own)

    def _load(self, state: Mapping[str, Any]) -> None:
        engine = self._live()
        with damaged():
            schema = self._checked or family(self._weights.family).schema_of(self._weights.config)
            sizes = {**schema.sizes(self._weights.arrays), **engine.lengths(), "B": self._plan.batch}
            place, caches = self._format.read(state, schema, sizes)
            # what can still be refused is refused by the engine, after which the stream is mended
            self._torn = True
            engine.restore(caches)
        rounds = self._rounds
        for name, value in place.items():
            setattr(rounds, name, value)
        rounds.number = 0
        rounds.placed()
        index = np.array(rounds.index)
        running = np.flatnonzero(index >= 0)
        for lanes, _, start in self._per_index.groups(running, index[running]):
            engine.attach(lanes, start)
        saved = rounds.save(0)
        self._saved, self._at, self._torn = saved, (0, 0), False

    # ---- ending -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Free the engine. May be called twice; the stream cannot be iterated afterwards."""
        own = [get_ident()]
        try:
            self._begin(own, whole=False)
            engine, self._engine = self._engine, None
            if engine is not None:
                engine.close()
        finally:
            self._turns.end(own)

    def __reduce__(self) -> Any:
        return _resumed, (self._weights, self._arguments, self.state_dict())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _resumed(weights: Weights, arguments: dict[str, Any], state: dict[str, Any]) -> Stream:
    """Return the stream of a request, at a state."""
    stream = Stream(weights, **arguments)
    stream.load_state_dict(state)
    return stream


def _chunk(chunk: int | None, default: int, length: int | None) -> int:
    size = default if chunk is None else integer("chunk", chunk, low=1, most=_MOST_IN_CHUNK)
    return size if length is None else min(size, length)
