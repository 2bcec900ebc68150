"""What a stream asks of an engine: B lanes that are begun, advanced together, saved and restored.

An engine is built from `Weights` and a `Request`, never from a module (the torch reference engines may be handed
the live model as well). It knows symbols and positions; chunks, media, stop sequences and the order of samples
are the stream's business. Legend: B lanes, N symbols in a round, V vocabulary.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from seqgen.controls import BoundControls
from seqgen.errors import SeqgenError, integer


@dataclass(frozen=True)
class Request:
    """The part of a stream's request that an engine needs, already checked.

    Attributes:
        seed: of the noise, 0 to 2^64 - 1.
        lanes: number of samples that are computed side by side.
        log_probs: whether to return the log-probability of every symbol.
        precision: "float32" or "bfloat16" for the weights, or "auto".
        threads: most threads to use.
    """

    seed: int
    lanes: int = 1
    log_probs: bool = False
    precision: str = "auto"
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Start:
    """How a sample begins. One object may be shared by many samples; engines may cache by its identity.

    Attributes:
        prompt: symbols that stand before the sample, or None.
        condition: what the family understands by a condition, or None.
        controls: bound to the model's codec.
    """

    prompt: np.ndarray | None = None
    condition: Any = None
    controls: BoundControls = field(default_factory=BoundControls)


class StepOutput(NamedTuple):
    """What one `advance` made.

    Attributes:
        symbols: (B, N, ...), valid up to `counts` in each lane.
        counts: (B,) symbols made; less than asked only where the model ended the sample, or where the controls
            leave nothing to draw next.
        ended: (B,) bool, whether the model itself ended the sample.
        extra: named arrays (B, N, ...), for example "states" or "log_prob".
    """

    symbols: np.ndarray
    counts: np.ndarray
    ended: np.ndarray
    extra: Mapping[str, np.ndarray]


class Engine(ABC):
    """Steps B lanes. All of a lane's state lies in arrays whose first axis is the lane."""

    name: ClassVar[str]

    @abstractmethod
    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        """Put each of `lanes` at position 0 of the sample with the corresponding one of `indices`."""

    @abstractmethod
    def advance(self, counts: np.ndarray) -> StepOutput:
        """Make `counts[b]` more symbols in lane b; lanes with 0 rest."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """The live arrays that hold the lanes' state, by name, each (B, ...); written in place."""

    def snapshot(self) -> dict[str, np.ndarray]:
        """A copy of `state`."""
        return {name: array.copy() for name, array in self.state().items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Continue from a `snapshot` of an engine for the same weights and request."""
        own = self.state()
        if set(own) != set(arrays):
            raise SeqgenError(f"the state has the arrays {sorted(arrays)}, this engine needs {sorted(own)}")
        for name, array in own.items():
            given = arrays[name]
            if given.shape != array.shape or given.dtype != array.dtype:
                raise SeqgenError(
                    f"the state's {name} is {given.dtype} {given.shape}, this engine needs "
                    f"{array.dtype} {array.shape}"
                )
        for name, array in own.items():
            array[...] = arrays[name]

    def attach(self, lanes: np.ndarray, start: Start) -> None:  # noqa: B027 (most engines need nothing more)
        """Give lanes whose state was restored what a state cannot hold: a condition that is read while sampling."""

    def close(self) -> None:  # noqa: B027 (an engine that holds nothing need not define it)
        """Free what the engine holds; it is not used afterwards."""


def require_finite(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise SeqgenError naming the first of the parameters that holds NaN or infinity."""
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise SeqgenError(
                f"the model's parameter {name} is not finite; it was damaged or its training diverged"
            )


def require_no_condition(start: Start) -> None:
    """Raise SeqgenError if a sample is given a condition; for families that know only prompts."""
    if start.condition is not None:
        raise SeqgenError(
            f"condition cannot act on this model, got {start.condition!r}; what stands before a sample is its prompt"
        )


def usable_threads() -> int:
    """Threads to use by default: $SEQGEN_THREADS, or the cores that this process may run on."""
    given = os.environ.get("SEQGEN_THREADS")
    if given is not None:
        try:
            return integer("SEQGEN_THREADS", int(given), low=1)
        except ValueError:
            raise ValueError(f"SEQGEN_THREADS must be a positive integer, got {given!r}") from None
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


_GRACE = 0.0005  # seconds


class Workers:
    """Runs a nogil kernel on contiguous groups of lanes, one group a thread."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._beside: Future[None] | None = None

    def run(self, work: Callable[[np.ndarray], None], lanes: np.ndarray) -> None:
        """Call `work` on parts of `lanes` that together are all of them, and wait."""
        parts = min(self.threads, len(lanes))
        if parts <= 1:
            if len(lanes):
                work(lanes)
            return
        first, *others = np.array_split(lanes, parts)
        futures = [self._others().submit(work, part) for part in others]
        work(first)
        for future in futures:
            future.result()

    def begin_beside(self, work: Callable[[], None]) -> bool:
        """Start `work` on another thread, without waiting for it; false if that of the last time is still at it."""
        if self._beside is not None:
            # one that has just ended still needs the interpreter to say so
            if not wait((self._beside,), _GRACE).done:
                return False
            self._beside.result()
        self._beside = self._others().submit(work)
        return True

    def _others(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1, thread_name_prefix="seqgen")
        return self._pool

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
