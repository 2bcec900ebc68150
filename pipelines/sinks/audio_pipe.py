"""Audio on standard output for players. Legend: T audio samples."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from pipelines.sinks.base import SinkRequest
from pipelines.sinks.in_order import InOrderSink
from pipelines.sinks.recording import WIDTHS, encoded, require_encoding, require_rate, samples_of
from seqgen.codecs import Codec
from seqgen.errors import choice
from seqgen.files import is_special
from seqgen.streaming import Chunk

PIPES = (".wav", ".s16le", ".f32le")
"""The formats; the last two are little-endian samples without a header."""


class AudioPipeSink(InOrderSink):
    """Writes samples one after another to a pipe, flushing each block.

    The header of a ".wav" stream has unknown length (0xFFFFFFFF), which ffmpeg, sox and aplay accept.

    Args:
        path: "-", standard output, or the path of a pipe or device.
        codec: that of the model, which has a `sample_rate`.
        kind: ".wav", ".s16le" or ".f32le".
        encoding: encoding of ".wav": "pcm16" (default), "pcm24" or "float32".
        prefix: audio (T,) to write before every sample.
    """

    binary = True

    def __init__(
        self, path: str | Path, codec: Codec, *, kind: str = ".wav", encoding: str | None = None,
        prefix: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        if str(path) != "-" and not is_special(path):
            raise ValueError(f"path must be '-', standard output, or a pipe, got {str(path)!r}")
        super().__init__(path, codec)
        choice("kind", kind, PIPES)
        self._encoding = require_encoding(kind, encoding)
        rate = require_rate(codec)
        self._header = endless_header(rate, self._encoding) if kind == ".wav" else b""
        self._prefix = None if prefix is None else samples_of(prefix)

    @classmethod
    def for_request(cls, request: SinkRequest) -> AudioPipeSink:
        return cls(request.path, request.codec, kind=request.suffix, prefix=request.prompt, **request.options)

    def __enter__(self) -> AudioPipeSink:
        super().__enter__()
        self._put(self._header)
        return self

    def begin(self) -> None:
        if self._prefix is not None:
            self._put(packed(self._prefix, self._encoding))

    def put(self, chunk: Chunk) -> None:
        self._put(packed(samples_of(chunk.data), self._encoding))

    def _put(self, data: bytes) -> None:
        self.file.write(data)
        self.file.flush()


def packed(audio: np.ndarray, encoding: str) -> bytes:
    """Encode audio (T,) as little-endian bytes."""
    values = encoded(audio, encoding)
    if encoding == "pcm24":
        return values.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def endless_header(sample_rate: int, encoding: str) -> bytes:
    """Return the 44-byte header of a mono WAV of unknown length."""
    width = WIDTHS[encoding]
    kind = 3 if encoding == "float32" else 1
    shape = struct.pack("<HHIIHH", kind, 1, sample_rate, sample_rate * width, width, 8 * width)
    unknown = b"\xff\xff\xff\xff"
    return b"RIFF" + unknown + b"WAVEfmt " + struct.pack("<I", len(shape)) + shape + b"data" + unknown
