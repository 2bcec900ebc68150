"""The protocol of pipeline stages: iterators that can be closed and resumed exactly.

A stage implements `__next__`, `own_state` and `load_own_state`, and refers to its source stage. Its state covers the
items that it has taken and not yet returned, as JSON values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

from seqgen.errors import SeqgenError

Item = TypeVar("Item")


class Stage(ABC, Generic[Item]):
    """An iterator of items with `state_dict` and `close`.

    Attributes:
        source: the source stage, or None.
    """

    source: Stage[Any] | None = None

    @abstractmethod
    def __next__(self) -> Item: ...

    def own_state(self) -> dict[str, Any]:
        """Return the state of this stage without its sources."""
        return {}

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Restore an `own_state`."""

    def __iter__(self) -> Iterator[Item]:
        return self

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the pipeline after the last item, as JSON values."""
        state: dict[str, Any] = {"stage": type(self).__name__, "own": self.own_state()}
        if self.source is not None:
            state["source"] = self.source.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, which an equal pipeline returned.

        Raises:
            SeqgenError: if the state is of a pipeline with other stages.
        """
        if not isinstance(state, Mapping) or "stage" not in state:
            raise SeqgenError("this is not the state of a pipeline; give what state_dict() returned")
        if state["stage"] != type(self).__name__ or ("source" in state) != (self.source is not None):
            raise SeqgenError(
                f"the state is of a stage {state['stage']}, this stage is {type(self).__name__}; "
                "build the pipeline with the same stages"
            )
        if self.source is not None:
            self.source.load_state_dict(state["source"])
        self.load_own_state(state["own"])

    def close(self) -> None:
        """Close this stage and its sources. May be called twice."""
        if self.source is not None:
            self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
