"""Sound as the chunks that a stream would deliver, without a model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seqgen.codecs import PCM16
from seqgen.streaming import Chunk

CODEC = PCM16(16000)


def random_sound(count: int, length: int, seed: int = 0) -> np.ndarray:
    """Return (count, length) numbers that 16 bits can represent."""
    symbols = np.random.default_rng(seed).integers(-32768, 32768, (count, length))
    return CODEC.decode(symbols)


def sound_chunks(sounds: np.ndarray, *, chunk: int = 320, batch: int = 1, start: int = 0) -> Iterator[Chunk]:
    """Yield the chunks of all sounds, `batch` of which advance together."""
    length = sounds.shape[1]
    for first in range(0, len(sounds), batch):
        for offset in range(0, length, chunk):
            for number in range(first, min(first + batch, len(sounds))):
                part = sounds[number, offset : offset + chunk]
                last = offset + chunk >= length
                yield Chunk(start + number, offset, part, last, {"reason": "length"} if last else {})
