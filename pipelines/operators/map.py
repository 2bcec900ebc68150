"""The operator `Map`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pipelines.stage import Stage

Item = TypeVar("Item")
Other = TypeVar("Other")


class Map(Stage[Other]):
    """Applies a function to every item."""

    def __init__(self, source: Stage[Item], function: Callable[[Item], Other]) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, got {function!r}")
        self.source = source
        self._function = function

    def __next__(self) -> Other:
        assert self.source is not None
        return self._function(next(self.source))
