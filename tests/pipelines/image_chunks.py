"""Images as the chunks that a stream would deliver, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from pipelines import Sink
from seqgen.codecs import Pixels
from seqgen.streaming import Chunk

GREY = Pixels((1, 5, 4), levels=4)
BINARY = Pixels((1, 5, 4), levels=2)
COLOUR = Pixels((3, 5, 4), levels=256)


def random_images(codec: Pixels, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, codec.levels, (count, *codec.shape)).astype(np.uint8)


def as_chunks(
    images: np.ndarray, *, chunk: int = 2, batch: int = 1, start: int = 0, log_probs: bool = False
) -> Iterator[Chunk]:
    """Yield the chunks of all images, `batch` of which advance together."""
    rows = images.shape[2]
    for first in range(0, len(images), batch):
        for row in range(0, rows, chunk):
            for number in range(first, min(first + batch, len(images))):
                part = images[number, :, row : row + chunk]
                last = row + chunk >= rows
                extra: dict[str, object] = {"reason": "end"} if last else {}
                if log_probs:
                    extra["log_prob"] = -0.5 * part.transpose(1, 0, 2)
                yield Chunk(start + number, row, part, last, extra)


def write_until(sink: Sink, chunks: Iterable[Chunk], error: BaseException) -> None:
    """Write chunks, and raise `error` when row 2 of sample 2 is written."""
    with sink:
        for chunk in chunks:
            sink.write(chunk)
            if chunk.index == 2 and chunk.offset == 2:
                raise error
