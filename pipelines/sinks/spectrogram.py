"""Spectrograms of all samples on one page, as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.image_page import image_page
from pipelines.sinks.base import NothingToWriteError, Sink, SinkRequest
from pipelines.sinks.png import write_png
from pipelines.sinks.recording import require_rate, samples_of
from pipelines.spectrograms import Spectrogram
from seqgen.codecs import Codec
from seqgen.streaming import Chunk


class SpectrogramSink(Sink):
    """Accumulates the power spectra of all samples in bounded memory per sample, and draws them at the end.

    Several samples are drawn one below another, with their indices.

    Args:
        path: the .png file.
        codec: that of the model, which has a `sample_rate`.
        prefix: audio (T,) before every sample.
    """

    binary = True

    def __init__(self, path: str | Path, codec: Codec, *, prefix: np.ndarray | None = None) -> None:
        super().__init__(path, codec)
        self._rate = require_rate(codec)
        self._prefix = None if prefix is None else samples_of(prefix)
        self._gathered: dict[int, Spectrogram] = {}

    @classmethod
    def for_request(cls, request: SinkRequest) -> SpectrogramSink:
        return cls(request.path, request.codec, prefix=request.prompt)

    def write(self, chunk: Chunk) -> None:
        if chunk.index not in self._gathered:
            self._gathered[chunk.index] = Spectrogram(self._rate)
            if self._prefix is not None:
                self._gathered[chunk.index].add(self._prefix)
        self._gathered[chunk.index].add(samples_of(chunk.data))

    def finish(self) -> None:
        pictures: dict[int, Any] = {
            index: gathered.picture() for index, gathered in self._gathered.items() if gathered.samples
        }
        if not pictures:
            raise NothingToWriteError(f"there is no audio to draw in {self.path}")
        if len(pictures) == 1:
            write_png(next(iter(pictures.values())), self.file)
            return
        page = image_page([(f"sample {index}", pictures[index]) for index in sorted(pictures)])
        write_png(page, self.file)
