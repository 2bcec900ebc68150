"""The sink interface: receive chunks and write one file atomically."""

from __future__ import annotations

import contextlib
import io
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, cast

from pipelines.escaping import PrintableStream
from seqgen.codecs import Codec
from seqgen.errors import SeqgenError
from seqgen.files import is_special, open_special, replace_whole
from seqgen.streaming import Chunk


@dataclass(frozen=True)
class SinkRequest:
    """The arguments of `open_sink`.

    Attributes:
        path: the file, or "-" for standard output. codec: that of the model.
        suffix: suffix of the format, which may differ from that of the name. prompt: data to write before every sample,
            or None.
        fixed: entries of every JSON line. options: the given options that the table of formats lists for the sink.
    """

    path: str | Path
    codec: Codec
    suffix: str
    prompt: Any
    fixed: Mapping[str, Any]
    options: Mapping[str, Any]


class NothingToWriteError(SeqgenError):
    """A format that cannot be empty has received nothing."""


class Sink(ABC):
    """Writes the chunks of a stream to a file, which gets its name when the sink is closed.

    A sink is a context manager. A clean exit and Ctrl-C complete the file, which is then valid and contains the output
    so far; any other error removes it, and an existing file of that name is kept.

    Args:
        path: the file, or "-" for standard output.
        codec: that of the model.
    """

    binary = False
    draws = False  # whether its text may hold escape sequences of its own

    def __init__(self, path: str | Path, codec: Codec) -> None:
        self.path, self.codec = path, codec
        self._exit = contextlib.ExitStack()
        self._file: IO[Any] | None = None

    @classmethod
    def for_request(cls, request: SinkRequest) -> Sink:
        """Create the sink for a request of `open_sink`; a sink that needs more than the options overrides this."""
        return cls(request.path, request.codec, **request.options)

    @property
    def file(self) -> Any:
        """The open file: text, or bytes if `binary`."""
        assert self._file is not None, "use the sink in a with statement"
        return self._file

    @abstractmethod
    def write(self, chunk: Chunk) -> None:
        """Write the next chunk."""

    def finish(self) -> None:  # noqa: B027 (optional: not every sink buffers output)
        """Write buffered output; called once, at the end."""

    def __enter__(self) -> Self:
        self._file = self._exit.enter_context(self._open())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if kind is None or issubclass(kind, KeyboardInterrupt):
            try:
                self.finish()
            except NothingToWriteError as failure:
                # an interrupt before the first sample is no failure; the file is not made
                self._exit.__exit__(type(failure), failure, failure.__traceback__)
                if kind is None:
                    raise
                return
            except BaseException as failure:
                self._exit.__exit__(type(failure), failure, failure.__traceback__)
                raise
            self._exit.__exit__(None, None, None)
        else:
            self._exit.__exit__(kind, error, trace)

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[Any]]:
        if str(self.path) == "-":
            if self.binary:
                yield sys.stdout.buffer
            elif self.draws or not sys.stdout.isatty():
                yield sys.stdout
            else:
                yield cast(IO[Any], PrintableStream(sys.stdout))
            sys.stdout.flush()
            return
        if is_special(self.path):
            with open_special(self.path) as raw:
                if self.binary:
                    yield raw
                else:
                    with io.TextIOWrapper(raw, encoding="utf-8", newline="") as file:
                        yield file
            return
        with replace_whole(self.path) as temporary:
            if self.binary:
                with open(temporary, "wb") as file:
                    yield file
            else:
                with open(temporary, "w", encoding="utf-8", newline="") as file:
                    yield file
