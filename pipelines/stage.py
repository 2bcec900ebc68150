"""The protocol of a pipeline's stages: iterators that can be closed, and resumed exactly.

A stage implements three methods, `__next__`, `own_state` and `load_own_state`, and names the stage it draws from.
Its state is what lies between what it took and what it gave, as JSON values.
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
        source: the stage that this one draws from, or None.
    """

    source: Stage[Any] | None = None

    @abstractmethod
    def __next__(self) -> Item: ...

    def own_state(self) -> dict[str, Any]:
        """The state of this stage alone."""
        return {}

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Take over an `own_state`."""

    def __iter__(self) -> Iterator[Item]:
        return self

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
