"""Conditions of audio models: a class, a vector, time-aligned features, or several of them.

A condition is a class number, a vector or features if the model takes one of the three; else a mapping with the keys
"class", "vector" and "features". Class and vector hold for the whole sample; frame i of the features applies to samples
[i hop, (i + 1) hop). Features are an array, or a live source that is read during generation. A mapping with features
may also have the key "samples": the length of the recording that they describe, whose last frame is usually not whole.
Legend: B batch, F frames, M features per frame, K length of one-hot class and vector together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from seqgen.arrays import as_array
from seqgen.conditions.image import Conditions
from seqgen.errors import SeqgenError, integer


@runtime_checkable
class FrameSource(Protocol):
    """Protocol of a source of features that may arrive during generation.

    A source may also have an attribute `samples`, the number of audio samples that it describes.

    Attributes:
        width: M.
    """

    width: int

    def read(self, begin: int, count: int) -> Any:
        """Return frames [begin, begin + count) as numbers (n, M); n < count only at the end of the features.

        It may block until they arrive. Every frame is requested at least once, and `begin` never decreases.
        """


class ArrayFrames:
    """A source of features that are completely available: (F, M) float32; `samples` as in `FrameSource`."""

    def __init__(self, array: np.ndarray, samples: int | None = None) -> None:
        self.array, self.samples = array, samples
        self.width = array.shape[1]

    def __len__(self) -> int:
        return len(self.array)

    def read(self, begin: int, count: int) -> np.ndarray:
        return self.array[begin : begin + count]


class _Limited:
    """Another source, with the number of samples that it describes."""

    def __init__(self, source: FrameSource, samples: int) -> None:
        self.width, self.read, self.samples = source.width, source.read, samples


@dataclass(frozen=True)
class AudioConditions:
    """The kinds of condition that a model takes; None for kinds that it does not take.

    Attributes:
        classes: number of classes. vector: length of the vector. mels: M.
    """

    classes: int | None
    vector: int | None
    mels: int | None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create from a validated configuration of a model."""
        return cls(config.get("classes"), config.get("condition_size"), config.get("mels"))

    @property
    def global_width(self) -> int:
        """K, the total length of one-hot class and vector."""
        return self._global.features

    @property
    def kinds(self) -> tuple[str, ...]:
        """The keys of a condition, in a fixed order."""
        return self._global.kinds + (() if self.mels is None else ("features",))

    def parse(self, condition: Any) -> tuple[np.ndarray, FrameSource | None]:
        """Convert one condition to the global condition (K,) float32 and features (None for a model without).

        Raises:
            SeqgenError: if a condition is missing, or given to a model that takes none.
            ValueError, TypeError: if it is out of range or of the wrong width.
        """
        if self.mels is None:
            return self._global.parse(condition)[0], None
        if condition is None:
            raise SeqgenError(f"this model is conditioned on {self._wanted()}; give condition")
        if isinstance(condition, Mapping) and {"features", "samples"} <= set(condition):
            samples = integer("condition's samples", condition["samples"], low=1)
            rest = {kind: value for kind, value in condition.items() if kind != "samples"}
            known, source = self.parse(rest)
            assert source is not None
            if isinstance(source, ArrayFrames):
                return known, ArrayFrames(source.array, samples)
            return known, _Limited(source, samples)
        if not self._global.kinds:
            return np.zeros(0, np.float32), self.frames(_only(condition, "features"))
        if not isinstance(condition, Mapping) or set(condition) != set(self.kinds):
            got = list(condition) if isinstance(condition, Mapping) else type(condition).__name__
            raise ValueError(
                f"condition must be {self._wanted()} as a mapping with the keys "
                f"{', '.join(map(repr, self.kinds))}, got {got}"
            )
        global_condition = {kind: condition[kind] for kind in self._global.kinds}
        return self._global.parse(global_condition)[0], self.frames(condition["features"])

    def frames(self, value: Any) -> FrameSource:
        """Check features and return them as a source."""
        if isinstance(value, FrameSource):
            if value.width != self.mels:
                raise ValueError(
                    f"condition's features must have width {self.mels}, got a source of width {value.width}"
                )
            return value
        return ArrayFrames(self.checked_frames(as_array("condition's features", value)))

    def checked_frames(self, array: np.ndarray) -> np.ndarray:
        """Convert numbers to finite float32 (F, M), or raise ValueError/TypeError."""
        if array.dtype.kind not in "iuf":
            raise TypeError(f"condition's features must be numbers, got {array.dtype}")
        if array.ndim != 2 or array.shape[1] != self.mels:
            turned = array.ndim == 2 and array.shape[0] == self.mels
            hint = "; the first axis is time: transpose them" if turned else ""
            raise ValueError(
                f"condition's features must have the shape (frames, {self.mels}), got {array.shape}{hint}"
            )
        with np.errstate(over="ignore"):
            frames = np.ascontiguousarray(array, dtype=np.float32)
        if not np.isfinite(frames).all():
            frame, band = np.argwhere(~np.isfinite(frames))[0].tolist()
            raise ValueError(
                f"condition's features must be finite, got {array[frame, band]} at [{frame}, {band}]"
            )
        return frames

    def each(self, condition: Any, count: int) -> list[Any]:
        """Return `count` conditions from one, a list, or an array with one more axis than a condition."""
        items = condition
        if (
            not isinstance(condition, (list, Mapping, FrameSource))
            and condition is not None
            and len(self.kinds) == 1
        ):
            axes = {"class": 0, "vector": 1, "features": 2}[self.kinds[0]]
            array = as_array("condition", condition)
            items = list(array) if array.ndim == axes + 1 else condition
        if not isinstance(items, list):
            return [items] * count
        if len(items) != count:
            raise ValueError(
                f"condition must have one item for each of the {count} sequences, got {len(items)}"
            )
        return items

    @property
    def _global(self) -> Conditions:
        return Conditions(self.classes, self.vector, None, 2)

    def _wanted(self) -> str:
        words = {
            "class": f"a class from 0 to {(self.classes or 0) - 1}",
            "vector": f"a vector of {self.vector} numbers",
            "features": f"features of the shape (frames, {self.mels})",
        }
        return " and ".join(words[kind] for kind in self.kinds)


def _only(condition: Any, kind: str) -> Any:
    """Return the single part of a condition, which may be given directly or in a mapping."""
    if not isinstance(condition, Mapping):
        return condition
    if set(condition) != {kind}:
        raise ValueError(
            f"condition must be {kind}, or a mapping with the key {kind!r}, got {list(condition)}"
        )
    return condition[kind]
