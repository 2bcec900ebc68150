"""The engine interface: B lanes that are started, advanced together, saved and restored.

An engine is built from `Weights` and a `Request`, never from a module (the torch reference engines may also receive the
live model). It deals with symbols and positions; the stream handles chunks, media, stop sequences and the order of
samples.
Legend: B lanes, N symbols per step, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from seqgen.controls import BoundControls
from seqgen.errors import SeqgenError
from seqgen.threads import Workers


@dataclass(frozen=True)
class Request:
    """The part of a stream's request that an engine needs, validated.

    Attributes:
        seed: of the random numbers, 0 to 2^64 - 1.
        lanes: number of samples computed in parallel.
        log_probs: whether to return the log-probability of every symbol.
        precision: "float32" or "bfloat16" for the weights, or "auto".
        threads: maximum number of threads.
    """

    seed: int
    lanes: int = 1
    log_probs: bool = False
    precision: str = "auto"
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Start:
    """The inputs of a sample. One object may be shared by many samples; engines may cache by its identity.

    Attributes:
        prompt: symbols that precede the sample, or None.
        condition: a condition in the form that the family defines, or None.
        controls: bound to the model's codec.
    """

    prompt: np.ndarray | None = None
    condition: Any = None
    controls: BoundControls = field(default_factory=BoundControls)


class StepOutput(NamedTuple):
    """The output of one `advance`.

    Attributes:
        symbols: (B, N, ...), valid up to `counts` in each lane.
        counts: (B,) symbols generated; fewer than requested only where the model ended the sample, or where the
            controls leave no symbol to draw next.
        ended: (B,) bool, whether the model ended the sample.
        extra: named arrays (B, N, ...), for example "states" or "log_prob".
    """

    symbols: np.ndarray
    counts: np.ndarray
    ended: np.ndarray
    extra: Mapping[str, np.ndarray]


class Checkpoint(NamedTuple):
    """The point to which an engine can return within a process.

    Attributes:
        arrays: a snapshot. attached: what `attach` has attached to the lanes.
    """

    arrays: Mapping[str, np.ndarray]
    attached: Any = None


class Engine(ABC):
    """Base of engines, which advance B lanes. All lane state is in arrays whose first axis is the lane.

    Attributes:
        workers: the threads of an engine that has any.
        begins_once: whether `begin` cannot be repeated for a sample that has been advanced, because its condition is
            read while it is generated; `checkpoint` is then called after each `begin`.
    """

    name: ClassVar[str]
    workers: Workers | None = None
    begins_once: bool = False

    @abstractmethod
    def begin(self, lanes: np.ndarray, indices: np.ndarray, start: Start) -> None:
        """Start sample `indices[k]` at position 0 in lane `lanes[k]`, for every k."""

    @abstractmethod
    def advance(self, counts: np.ndarray) -> StepOutput:
        """Generate `counts[b]` more symbols in lane b; 0 leaves a lane idle."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that hold the lane state by name, each (B, ...), not copied; `restore` writes to them."""

    def lengths(self) -> dict[str, int]:
        """Return lengths that the family's schema refers to by name and that only the engine knows."""
        return {}

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return a copy of `state`."""
        return {name: array.copy() for name, array in self.state().items()}

    def checkpoint(self) -> Checkpoint:
        """Return what `rollback` needs to return to this point in the same process."""
        return Checkpoint(self.snapshot())

    def rollback(self, checkpoint: Checkpoint) -> None:
        """Return to a checkpoint of this engine, whatever was interrupted since; may be interrupted and repeated."""
        self.settle()
        self.restore(checkpoint.arrays)

    def settle(self) -> None:
        """Wait until no thread works on the lanes, after an exception has left `advance`."""
        if self.workers is not None:
            self.workers.settle()

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

    def attach(self, lanes: np.ndarray, start: Start) -> None:  # noqa: B027 (most engines have none)
        """Attach to restored lanes the inputs that are not in a state: conditions that are read while sampling."""

    def close(self) -> None:
        """Free the engine's resources; it cannot be used afterwards. May be called twice."""
        if self.workers is not None:
            self.workers.close()
