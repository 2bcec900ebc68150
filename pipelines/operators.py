"""Operators: stages that change the items of another stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pipelines.pipeline import Pipeline
from seqgen.errors import SeqgenError, integer

Item = TypeVar("Item")
Other = TypeVar("Other")


class Map(Pipeline[Other]):
    """Applies a function to every item."""

    def __init__(self, source: Pipeline[Item], function: Callable[[Item], Other]) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, got {function!r}")
        self.source = source
        self._function = function

    def __next__(self) -> Other:
        assert self.source is not None
        return self._function(next(self.source))


class Take(Pipeline[Item]):
    """Ends after a number of items."""

    def __init__(self, source: Pipeline[Item], count: int) -> None:
        self.source = source
        self._count = integer("count", count, low=0)
        self._taken = 0

    def __next__(self) -> Item:
        assert self.source is not None
        if self._taken == self._count:
            raise StopIteration
        item: Item = next(self.source)
        self._taken += 1
        return item

    def own_state(self) -> dict[str, Any]:
        return {"taken": self._taken}

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        if state["taken"] > self._count:
            raise SeqgenError(
                f"the state has taken {state['taken']} items, this stage takes only {self._count}"
            )
        self._taken = int(state["taken"])


class Batch(Pipeline[list[Item]]):
    """Gathers consecutive items into lists."""

    def __init__(self, source: Pipeline[Item], size: int, *, partial: bool = True) -> None:
        self.source = source
        self._size = integer("size", size, low=1)
        self._partial = partial

    def __next__(self) -> list[Item]:
        assert self.source is not None
        items: list[Item] = []
        for item in self.source:
            items.append(item)
            if len(items) == self._size:
                return items
        if items and self._partial:
            return items
        raise StopIteration
