"""Images as levels in a NumPy archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.sinks.images import ImageSink
from seqgen.codecs import Codec
from seqgen.codecs.pixels import UNKNOWN
from seqgen.streaming import Chunk


class ImageNPZSink(ImageSink):
    """Writes "data" (N, C, H, W) uint8 levels, "levels", "index" (N,), and "length" (N,), the number of drawn rows.

    Extra arrays such as "log_prob" have shape (N, C, H, W); rows not drawn because of Ctrl-C are 0. All data are kept
    in memory until the end. `seqgen.data.images.read_images` reads such a file.
    """

    def __init__(self, path: str | Path, codec: Codec) -> None:
        super().__init__(path, codec)
        self._done: list[tuple[int, np.ndarray, int]] = []
        self._extra: dict[str, dict[int, np.ndarray]] = {}

    def rows(self, chunk: Chunk) -> None:
        for name, values in chunk.extra.items():
            if name != "reason":
                whole = self._extra.setdefault(name, {}).setdefault(chunk.index, np.zeros(self.codec.shape))
                whole[:, chunk.offset : chunk.offset + len(values)] = values.transpose(1, 0, 2)

    def image(self, index: int, image: np.ndarray, rows: int) -> None:
        self._done.append((index, _levels(image), rows))

    def finish(self) -> None:
        done = self._done + [(index, _levels(image), rows) for index, image, rows in self.unfinished()]
        indices = [index for index, _, _ in done]
        arrays = {
            "index": np.array(indices, np.int64),
            "length": np.array([rows for _, _, rows in done], np.int64),
            "levels": np.array(self.codec.levels),
            "data": np.array([image for _, image, _ in done], np.uint8).reshape(-1, *self.codec.shape),
        }
        for name, values in sorted(self._extra.items()):
            arrays[name] = np.stack([values[index] for index in indices])
        np.savez_compressed(self.file, allow_pickle=False, **arrays)


def _levels(image: np.ndarray) -> np.ndarray:
    return np.where(image == UNKNOWN, 0, image).astype(np.uint8)
