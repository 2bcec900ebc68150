"""What a stream asks of an engine: B lanes that are begun, advanced together, saved and restored.

An engine is built from `Weights` and a `Request`, never from a module (the torch reference engines may be handed
the live model as well). It knows symbols and positions; chunks, media, stop sequences and the order of samples
are the stream's business. Legend: B lanes, N symbols in a round, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from seqgen.controls import BoundControls
from seqgen.errors import SeqgenError


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

    def lengths(self) -> dict[str, int]:
        """Lengths that the family's schema names and only the engine knows."""
        return {}

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
