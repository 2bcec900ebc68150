"""Pipelines: a stage with the operators as methods, each of which returns a longer pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pipelines.operators import Batch, Map, Paced, Take
from pipelines.stage import Stage

if TYPE_CHECKING:
    from pipelines.sinks.base import Sink
    from seqgen.streaming import Chunk

Item = TypeVar("Item")
Other = TypeVar("Other")


class Pipeline(Generic[Item]):
    """An iterator over the items of a stage.

    Args:
        stage: the last stage, which refers to those before it.

    Example:
        >>> from pipelines import from_model
        >>> [len(pair) for pair in from_model("weather", n=3, length=5).batch(2)]
        [2, 1]
    """

    def __init__(self, stage: Stage[Item]) -> None:
        self.stage = stage

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        return next(self.stage)

    # ---- operators --------------------------------------------------------------------------------------

    def map(self, function: Callable[[Item], Other]) -> Pipeline[Other]:
        """Apply a function to every item. It should be pure: after a resume it is called on later items only."""
        return Pipeline(Map(self.stage, function))

    def take(self, count: int) -> Pipeline[Item]:
        """Yield the first `count` items, counting those before a resume."""
        return Pipeline(Take(self.stage, count))

    def batch(self, size: int, *, partial: bool = True) -> Pipeline[list[Item]]:
        """Yield lists of `size` consecutive items; the last may be shorter, or is dropped with partial=False."""
        return Pipeline(Batch(self.stage, size, partial=partial))

    def paced(self: Pipeline[Chunk], rate: float, *, lead: float = 0.2) -> Pipeline[Chunk]:
        """Yield chunks in real time (`rate` symbols per second), at most `lead` seconds early, and count underruns."""
        return Pipeline(Paced(self.stage, rate, lead=lead))

    def write(self: Pipeline[Chunk], sink: Sink) -> int:
        """Write every `Chunk` to `sink` and finish the file; return the number of chunks."""
        count = 0
        with sink:
            for chunk in self:
                sink.write(chunk)
                count += 1
        return count

    # ---- resuming and ending ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the pipeline after the last item, as JSON values."""
        return self.stage.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, which an equal pipeline returned.

        Raises:
            SeqgenError: if the state is of a pipeline with other stages.
        """
        self.stage.load_state_dict(state)

    def close(self) -> None:
        """Close all stages. May be called twice."""
        self.stage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
