"""The operator `Batch`."""

from __future__ import annotations

from typing import TypeVar

from pipelines.stage import Stage
from seqgen.errors import integer

Item = TypeVar("Item")


class Batch(Stage[list[Item]]):
    """Collects consecutive items into lists."""

    def __init__(self, source: Stage[Item], size: int, *, partial: bool = True) -> None:
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
