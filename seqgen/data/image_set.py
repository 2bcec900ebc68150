"""The result of all image readers: intensities from 0 to 255 and, if available, labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from seqgen.errors import SeqgenError


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size.

    Attributes:
        images: (N, C, H, W) uint8 intensities, 0 to 255.
        labels: (N,) int64 class numbers, or None.
        classes: names of the classes 0, 1, …, if available.
        reading: how the files were read, as entries for a card: "range", the range of their numbers.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    reading: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: np.ndarray) -> ImageSet:
        """Return a subset by number."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, images=self.images[rows], labels=labels)


def join_sets(sets: Sequence[ImageSet]) -> ImageSet:
    """Concatenate several sets.

    Raises:
        SeqgenError: if their sizes or classes differ, or only some have labels.
    """
    first = sets[0]
    for other in sets[1:]:
        if other.images.shape[1:] != first.images.shape[1:] or other.classes != first.classes:
            raise SeqgenError(
                f"the parts do not belong together: one has images {first.images.shape[1:]} of the classes "
                f"{first.classes}, another {other.images.shape[1:]} of {other.classes}"
            )
    labels = [part.labels for part in sets if part.labels is not None]
    if labels and len(labels) < len(sets):
        raise SeqgenError("one part of the data has labels and another has none")
    return ImageSet(
        np.concatenate([part.images for part in sets]),
        np.concatenate(labels) if labels else None,
        first.classes,
        first.reading,
    )
