"""The sink contract: chunks in, one whole file out."""

from __future__ import annotations

import contextlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from seqgen.codecs import Codec
from seqgen.files import replace_whole
from seqgen.streaming import Chunk


@dataclass(frozen=True)
class SinkRequest:
    """What `open_sink` was asked for.

    Attributes:
        path: the file, or "-" for standard output. codec: of the model whose chunks come.
        suffix: of the format, whatever the name of the file. prompt: what stands before every sample, or None.
        fixed: entries of every JSON line. options: those that the table of formats lists for the sink, where given.
    """

    path: str | Path
    codec: Codec
    suffix: str
    prompt: Any
    fixed: Mapping[str, Any]
    options: Mapping[str, Any]


class Sink(ABC):
    """Writes the chunks of a stream to a file, which appears under its name when the sink is closed.

    Used as a context manager. A clean exit and Ctrl-C finish the file, which is then valid and holds what was
    written; any other error removes it, and an older file of that name stays.

    Args:
        path: the file, or "-" for standard output.
        codec: of the model whose chunks come.
    """

    binary = False

    def __init__(self, path: str | Path, codec: Codec) -> None:
        self.path, self.codec = path, codec
        self._exit = contextlib.ExitStack()
        self._file: IO[Any] | None = None

    @classmethod
    def for_request(cls, request: SinkRequest) -> Sink:
        """The sink that `open_sink` was asked for; a sink that wants more than the options defines this anew."""
        return cls(request.path, request.codec, **request.options)

    @property
    def file(self) -> Any:
        """The open file, of text or, where `binary`, of bytes."""
        assert self._file is not None, "use the sink in a with statement"
        return self._file

    @abstractmethod
    def write(self, chunk: Chunk) -> None:
        """Take the next chunk."""

    def finish(self) -> None:  # noqa: B027 (a sink that holds nothing back need not define it)
        """Write what is still held back; called once, at the end."""

    def __enter__(self) -> Self:
        self._file = self._exit.enter_context(self._open())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            try:
                self.finish()
            except BaseException as failure:
                self._exit.__exit__(type(failure), failure, failure.__traceback__)
                raise
            self._exit.__exit__(None, None, None)
        else:
            self._exit.__exit__(kind, error, trace)

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[Any]]:
        if str(self.path) == "-":
            yield sys.stdout.buffer if self.binary else sys.stdout
            sys.stdout.flush()
            return
        with replace_whole(self.path) as temporary:
            if self.binary:
                with open(temporary, "wb") as file:
                    yield file
            else:
                with open(temporary, "w", encoding="utf-8", newline="") as file:
                    yield file
