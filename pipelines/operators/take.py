"""The operator `Take`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pipelines.stage import Stage
from seqgen.errors import SeqgenError, integer

Item = TypeVar("Item")


class Take(Stage[Item]):
    """Ends after a number of items."""

    def __init__(self, source: Stage[Item], count: int) -> None:
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
