"""Audio files: one recording per sample. Legend: T audio samples."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipelines.sinks.base import Sink, SinkRequest
from pipelines.sinks.names import as_pattern, indexed_name, is_pattern, require_pattern
from pipelines.sinks.recording import RecordingFile, require_encoding, require_rate, samples_of
from seqgen.codecs import Codec
from seqgen.errors import SeqgenError
from seqgen.files import require_folder
from seqgen.streaming import Chunk


class RecordingSink(Sink):
    """Writes each sample to its own recording: .wav, .flac, .ogg, .rf64, .s16le or .f32le.

    The output so far is kept as a valid file also when an error ends the stream, such as a full disk or features that
    end early. A recording without any samples is not created, and an existing file of its name is kept.

    Args:
        path: the file of the only sample; or a name with the index in braces, such as "voice-{index:05d}.wav".
        codec: that of the model, which has a `sample_rate`.
        suffix: suffix of the format; None is that of the name.
        encoding: "pcm16", "pcm24" or "float32", if the format supports it; None is the format's default.
        prefix: audio (T,) to write before every sample, such as a prompt.
    """

    def __init__(
        self, path: str | Path, codec: Codec, *, suffix: str | None = None, encoding: str | None = None,
        prefix: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, codec)
        self._suffix, self._encoding = suffix or Path(path).suffix.lower(), encoding
        require_encoding(self._suffix, encoding)
        self._rate = require_rate(codec)
        self._prefix = None if prefix is None else samples_of(prefix)
        self._open_now: dict[int, RecordingFile] = {}
        self._many = is_pattern(path)
        self._only: int | None = None
        if self._many:
            require_pattern(path)

    @classmethod
    def for_request(cls, request: SinkRequest) -> RecordingSink:
        return cls(
            request.path, request.codec, suffix=request.suffix, prefix=request.prompt, **request.options
        )

    def write(self, chunk: Chunk) -> None:
        recording = self._open_now.get(chunk.index) or self._begin(chunk.index)
        recording.write(samples_of(chunk.data))
        # a single file gets its name when the sink is closed, as with other sinks
        if chunk.last and self._many:
            self._open_now.pop(chunk.index).close()

    def finish(self) -> None:
        for index in sorted(self._open_now):
            self._open_now.pop(index).close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        for index in sorted(self._open_now):
            if error is not None and not self._open_now[index].frames:
                self._open_now.pop(index).discard(error)
        super().__exit__(None, None, None)

    def _begin(self, index: int) -> RecordingFile:
        if self._only not in (None, index) and not self._many:
            raise SeqgenError(
                f"{self.path} can hold only one sample; give a name with the index in braces, such as "
                f"{as_pattern(self.path).name}"
            )
        self._only = index
        name = indexed_name(self.path, index) if self._many else Path(self.path)
        recording = RecordingFile(name, self._rate, suffix=self._suffix, encoding=self._encoding)
        self._open_now[index] = recording
        if self._prefix is not None:
            recording.write(self._prefix)
        return recording

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[Any] | None]:  # type: ignore[override]  # one file per recording
        require_folder(indexed_name(self.path, 0) if self._many else Path(self.path))
        yield None
