"""Sources: the first stages of pipelines."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import seqgen
from pipelines.pipeline import Pipeline
from pipelines.stage import Stage
from seqgen.streaming import Chunk, Stream


class FromModel(Stage[Chunk]):
    """The chunks of one stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __next__(self) -> Chunk:
        return next(self.stream)

    def own_state(self) -> dict[str, Any]:
        return self.stream.state_dict()

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        self.stream.load_state_dict(state)

    def close(self) -> None:
        self.stream.close()


def from_model(
    model: seqgen.Generator | str | os.PathLike[str],
    n: int | None = None,
    length: int | None = None,
    **arguments: Any,
) -> Pipeline[Chunk]:
    """Return a pipeline of the chunks of a stream.

    Args:
        model: a model, a built-in name, or the path of a checkpoint (which is streamed without torch).
        n, length, arguments: those of `Generator.stream`.
    """
    if isinstance(model, (str, os.PathLike)):
        return Pipeline(FromModel(seqgen.stream(model, n, length, **arguments)))
    return Pipeline(FromModel(model.stream(n, length, **arguments)))
