"""The state of a stream as JSON values: how it is written, and how a state from outside is checked and read.

A state holds the request that it belongs to, the place of each lane, the state of the engine, the chunks that were
computed but not delivered, and a digest of all of it. Anyone can make a digest, so everything in a state is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqgen.checkpoint import Weights
from seqgen.codecs import Codec
from seqgen.engine import StepOutput
from seqgen.errors import SeqgenError, choice, integer
from seqgen.packed import digest, pack, unpack
from seqgen.per_index import PerIndex
from seqgen.rounds import Piece, Plan, Rounds
from seqgen.schema import Schema, Sizes

FORMAT = 1
MOST_SYMBOLS = 1 << 62
"""Maximum length of a sample."""

REASONS = ("length", "stop", "end", "stuck")
"""The reasons why a sample ends; "stuck" is a lane whose controls leave no symbol to draw."""

_ENTRIES = frozenset(
    (
        "format", "weights", "engine", "plan", "next_index", "index", "offset", "decoders", "tails", "waiting",
        "caches", "digest",
    )
)  # fmt: skip

Place = dict[str, Any]
"""Attributes of `Rounds` by name."""


@contextmanager
def damaged() -> Iterator[None]:
    """Turn the errors of reading values of unexpected kinds into a SeqgenError."""
    try:
        yield
    except SeqgenError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise SeqgenError(
            f"the state is damaged ({error!r}); give what state_dict() returned, unchanged"
        ) from None


@dataclass(frozen=True)
class StateFormat:
    """Writes and reads the states of one request: its weights, the name of its engine, and its plan."""

    weights: Weights
    engine: str
    plan: Plan
    codec: Codec
    per_index: PerIndex

    def write(self, rounds: Rounds, delivered: int, caches: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return the state at which `delivered` chunks of the last round were delivered, given that of the engine."""
        waiting = []
        if rounds.output is not None:
            for piece in rounds.pieces[delivered:]:
                row = slice(0, piece.count)
                arrays = {name: a[piece.lane, row] for name, a in rounds.output.extra.items()}
                waiting.append(
                    {
                        **piece._asdict(),
                        "symbols": pack(rounds.output.symbols[piece.lane, row]),
                        "extra": {name: pack(a) for name, a in arrays.items()},
                    }
                )
        state = {
            "format": FORMAT,
            "weights": self.weights.hash,
            "engine": self.engine,
            "plan": dict(vars(self.plan)),
            "next_index": rounds.next_index,
            "index": list(rounds.index),
            "offset": list(rounds.offset),
            "decoders": [decoder.state() for decoder in rounds.decoders],
            "tails": [list(tail) for tail in rounds.tails],
            "waiting": waiting,
            "caches": {name: pack(array) for name, array in caches.items()},
        }
        return {**state, "digest": digest(state)}

    def read(
        self, state: Mapping[str, Any], schema: Schema, sizes: Sizes
    ) -> tuple[Place, dict[str, np.ndarray]]:
        """Return the place and the engine's arrays that a state encodes; nothing is changed by an invalid state.

        Raises:
            SeqgenError: if the state belongs to another request or format. Other errors (see `damaged`): if anything
                in it is not what `write` writes.
        """
        if not isinstance(state, Mapping) or "format" not in state:
            raise SeqgenError("this is not the state of a stream; give what state_dict() returned")
        if state["format"] != FORMAT:
            raise SeqgenError(f"the state has format {state['format']!r}, this version reads {FORMAT}")
        if state["digest"] != digest(state):
            raise ValueError("its contents do not match its digest")
        self._require_same_request(state)
        if unknown := set(state) - _ENTRIES:
            raise ValueError(f"it has the unknown entry {min(map(str, unknown))!r}")
        place = self._place(state, schema, sizes)
        caches = {name: unpack(packed) for name, packed in state["caches"].items()}
        schema.check_state(self.engine, caches, sizes, log_probs=self.plan.log_probs)
        _require_same_position(caches, place["index"], place["offset"])
        return place, caches

    def _require_same_request(self, state: Mapping[str, Any]) -> None:
        own_hash = self.weights.hash
        if state["weights"] != own_hash:
            raise SeqgenError(
                f"the state belongs to weights {str(state['weights'])[:12]}…, this model has {own_hash[:12]}…; "
                "load the model that was streamed"
            )
        given = {**state["plan"], "engine": state["engine"]}
        own = {**vars(self.plan), "engine": self.engine}
        for name, value in own.items():
            if given.get(name) != value:
                raise SeqgenError(
                    f"the state was made with {name}={given.get(name)!r}, this stream has {name}={value!r}; "
                    "make the stream with the same arguments"
                )

    def _place(self, state: Mapping[str, Any], schema: Schema, sizes: Sizes) -> Place:
        plan, lanes = self.plan, self.plan.batch
        next_index = integer("next_index", state["next_index"], low=plan.start, high=plan.end)
        index = _lane_integers("index", state["index"], lanes, low=-1, high=next_index - 1)
        longest = MOST_SYMBOLS if plan.length is None else plan.length
        waiting = [_unpacked(piece, lanes, plan.chunk) for piece in state["waiting"]]
        for piece in waiting:
            made = {"symbols": piece["symbols"], **piece["extra"]}
            schema.check_output(made, {**sizes, "N": piece["count"]}, log_probs=plan.log_probs)
        pieces = [Piece(*(piece[name] for name in Piece._fields)) for piece in waiting]
        busy = {piece.lane: piece.index for piece in pieces}
        if len(busy) < len(pieces):
            raise ValueError("it has two chunks of one lane")
        decoders, stops = [], []
        for lane in range(lanes):
            decoder = self.codec.decoder()
            decoder.restore(state["decoders"][lane])
            decoders.append(decoder)
            current = busy.get(lane, index[lane])
            stops.append(self.per_index.controls_of(current).stops if current >= 0 else ())
        return {
            "next_index": next_index,
            "index": index,
            "offset": _lane_integers("offset", state["offset"], lanes, low=0, high=longest),
            "tails": [[integer("tails", symbol) for symbol in state["tails"][lane]] for lane in range(lanes)],
            "decoders": decoders,
            "stops": stops,
            "pieces": pieces,
            "output": _rebuild(waiting, lanes),
        }


def _lane_integers(name: str, values: Any, lanes: int, *, low: int, high: int) -> list[int]:
    """Return one integer per lane, or raise TypeError/ValueError."""
    if not isinstance(values, list) or len(values) != lanes:
        raise ValueError(f"{name} must be a list of {lanes} numbers")
    return [integer(name, value, low=low, high=high) for value in values]


def _unpacked(piece: Any, lanes: int, chunk: int) -> dict[str, Any]:
    """Check the numbers of an undelivered chunk and unpack its arrays."""
    return {
        "lane": integer("lane", piece["lane"], low=0, high=lanes - 1),
        "index": integer("index", piece["index"], low=0, high=2**63 - 1),
        "offset": integer("offset", piece["offset"], low=0, high=2**63 - 1),
        "count": integer("count", piece["count"], low=0, high=chunk),
        "reason": None if piece["reason"] is None else choice("reason", piece["reason"], REASONS),
        "symbols": unpack(piece["symbols"]),
        "extra": {str(name): unpack(packed) for name, packed in piece["extra"].items()},
    }


def _require_same_position(caches: Mapping[str, np.ndarray], index: list[int], offset: list[int]) -> None:
    """Raise ValueError unless the engine's lanes are at the samples and positions that the stream records.

    Args:
        caches: state of the engine: "index" is the sample of each lane, "position" or "row" the position in it.
        index, offset: of each lane of the stream; index -1 is an idle lane.
    """
    running = np.array(index) >= 0
    for name, wanted in (("index", index), ("position", offset), ("row", offset)):
        if name in caches and (caches[name].astype(np.int64) != np.array(wanted))[running].any():
            raise ValueError(f"its {name} is not that of the stream")


def _rebuild(waiting: Sequence[Mapping[str, Any]], lanes: int) -> StepOutput | None:
    """Return a StepOutput that holds only the undelivered chunks, as returned by `_unpacked`."""
    if not waiting:
        return None
    symbols = _ragged([(p["lane"], p["symbols"]) for p in waiting], lanes)
    names = waiting[0]["extra"]
    extra = {name: _ragged([(p["lane"], p["extra"][name]) for p in waiting], lanes) for name in names}
    return StepOutput(symbols, np.zeros(lanes, np.int64), np.zeros(lanes, bool), extra)


def _ragged(rows: list[tuple[int, np.ndarray]], lanes: int) -> np.ndarray:
    longest = max(len(row) for _, row in rows)
    first = rows[0][1]
    whole = np.zeros((lanes, longest, *first.shape[1:]), first.dtype)
    for lane, row in rows:
        whole[lane, : len(row)] = row
    return whole
