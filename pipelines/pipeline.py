"""Pipelines: iterators that can be composed, closed, and resumed exactly.

A stage implements three methods, `__next__`, `own_state` and `load_own_state`, and names the stage it draws from.
Its state is what lies between what it took and what it gave, as JSON values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from seqgen.errors import SeqgenError

if TYPE_CHECKING:
    from pipelines.pacing import Paced
    from pipelines.sinks.base import Sink
    from seqgen.streaming import Chunk

Item = TypeVar("Item")
Other = TypeVar("Other")


class Pipeline(ABC, Generic[Item]):
    """An iterator of items with `state_dict`, `close` and the operators as methods."""

    source: Pipeline[Any] | None = None

    @abstractmethod
    def __next__(self) -> Item: ...

    def own_state(self) -> dict[str, Any]:
        """The state of this stage alone."""
        return {}

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Take over an `own_state`."""

    def __iter__(self) -> Iterator[Item]:
        return self

    # ---- operators --------------------------------------------------------------------------------------

    def map(self, function: Callable[[Item], Other]) -> Pipeline[Other]:
        """Apply a function to every item. It should be pure: after a resume it is called on later items only."""
        from pipelines.operators import Map

        return Map(self, function)

    def take(self, count: int) -> Pipeline[Item]:
        """The first `count` items, counted over resumes too."""
        from pipelines.operators import Take

        return Take(self, count)

    def batch(self, size: int, *, partial: bool = True) -> Pipeline[list[Item]]:
        """Lists of `size` consecutive items; the last may be shorter, or is dropped with partial=False."""
        from pipelines.operators import Batch

        return Batch(self, size, partial=partial)

    def paced(self: Pipeline[Chunk], rate: float, *, lead: float = 0.2) -> Paced:
        """Chunks in real time, `rate` symbols a second and at most `lead` seconds early; late ones are counted."""
        from pipelines.pacing import Paced

        return Paced(self, rate, lead=lead)

    def write(self: Pipeline[Chunk], sink: Sink) -> int:
        """Write every item, a `Chunk` each, into `sink` and commit it; returns the number of chunks."""
        count = 0
        with sink:
            for chunk in self:
                sink.write(chunk)
                count += 1
        return count

    # ---- resuming and ending ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the pipeline stands, as JSON values: after the last item that it gave."""
        state: dict[str, Any] = {"stage": type(self).__name__, "own": self.own_state()}
        if self.source is not None:
            state["source"] = self.source.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the pipeline that gave `state` stood.

        Raises:
            SeqgenError: if the state is of a pipeline with other stages.
        """
        if not isinstance(state, Mapping) or "stage" not in state:
            raise SeqgenError("this is not the state of a pipeline; give what state_dict() returned")
        if state["stage"] != type(self).__name__ or ("source" in state) != (self.source is not None):
            raise SeqgenError(
                f"the state is of a stage {state['stage']}, here stands {type(self).__name__}; "
                "build the pipeline with the same stages"
            )
        if self.source is not None:
            self.source.load_state_dict(state["source"])
        self.load_own_state(state["own"])

    def close(self) -> None:
        """Close this stage and those it draws from. May be called twice."""
        if self.source is not None:
            self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
