"""Conditions of image models: a class, a vector, a guide image, or several of them.

A condition is a class number, a vector or an image if the model takes one of the three; else a mapping with the keys
"class", "vector" and "guide".
Legend: B batch, K features (one-hot class and vector).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from seqgen.arrays import as_array
from seqgen.codecs.pixels import Pixels
from seqgen.errors import SeqgenError, integer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Conditions:
    """The kinds of condition that a model takes; None for kinds that it does not take.

    Attributes:
        classes: number of classes. vector: length of the vector. guide: (colours, rows, columns) of the guide.
        levels: those of the guide.
    """

    classes: int | None
    vector: int | None
    guide: tuple[int, int, int] | None
    levels: int

    @classmethod
    def checked(
        cls, codec: Pixels, classes: int | None = None, vector: int | None = None, guide: Sequence[int] | None = None
    ) -> Self:  # fmt: skip
        """Create from constructor arguments, or raise ValueError/TypeError."""
        if classes is not None:
            integer("classes", classes, low=1)
        if vector is not None:
            integer("condition_size", vector, low=1)
        shape = None
        if guide is not None:
            shape = Pixels(guide, codec.levels).shape
            if codec.shape[1] % shape[1] or codec.shape[2] % shape[2]:
                raise ValueError(
                    f"the guide's rows and columns must divide those of the image, {codec.shape[1:]}, got {shape[1:]}"
                )
        return cls(classes, vector, shape, codec.levels)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create from a model's configuration."""
        guide = config.get("guide")
        return cls(
            config.get("classes"), config.get("condition_size"), tuple(guide) if guide else None,
            config["codec"]["levels"],
        )  # fmt: skip

    @property
    def features(self) -> int:
        """K, the total length of one-hot class and vector."""
        return (self.classes or 0) + (self.vector or 0)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The keys of a condition, in a fixed order."""
        given = {"class": self.classes, "vector": self.vector, "guide": self.guide}
        return tuple(name for name, value in given.items() if value is not None)

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments as JSON values."""
        guide = None if self.guide is None else list(self.guide)
        return {"classes": self.classes, "condition_size": self.vector, "guide": guide}

    def parse(self, condition: Any) -> tuple[np.ndarray, np.ndarray]:
        """Convert one condition to features (K,) float32 and guide (C', H', W') uint8 (with no rows if there is none).

        Raises:
            SeqgenError: if a condition is missing, or given to a model that takes none.
            ValueError, TypeError: if it is out of range.
        """
        if not self.kinds:
            if condition is not None:
                raise SeqgenError(
                    f"this model takes no condition, got {_short(condition)}; leave condition out"
                )
            return np.zeros(0, np.float32), np.zeros((1, 0, 0), np.uint8)
        if condition is None:
            raise SeqgenError(f"this model is conditioned on {self._wanted()}; give condition")
        parts = condition if isinstance(condition, Mapping) else {self.kinds[0]: condition}
        if set(parts) != set(self.kinds):
            raise ValueError(
                f"condition must be {self._wanted()}"
                + (
                    f" as a mapping with the keys {', '.join(map(repr, self.kinds))}"
                    if len(self.kinds) > 1
                    else ""
                )
                + f", got {_short(condition)}"
            )
        features = np.zeros(self.features, np.float32)
        if self.classes is not None:
            features[self._class(parts["class"])] = 1.0
        if self.vector is not None:
            features[self.classes or 0 :] = self._vector(parts["vector"])
        if self.guide is None:
            return features, np.zeros((1, 0, 0), np.uint8)
        try:
            guide = Pixels(self.guide, self.levels).encode(parts["guide"])
        except (TypeError, ValueError) as error:
            raise type(error)(f"condition's guide: {error}") from None
        return features, guide.transpose(1, 0, 2)

    def tensors(self, condition: Any, count: int, like: Tensor) -> dict[str, Tensor]:
        """Convert the conditions of `count` images to tensors for `forward`.

        Args:
            condition: one condition for all; or `count` of them, as a list or an array with one more axis.
            like: determines dtype and device.
        """
        import torch

        parsed = [self.parse(item) for item in self.each(condition, count)]
        result = {}
        if self.features:
            stacked = np.stack([features for features, _ in parsed])
            result["features"] = torch.as_tensor(stacked).to(like)
        if self.guide is not None:
            guides = np.stack([guide for _, guide in parsed]).astype(np.int64)
            result["guide"] = torch.as_tensor(guides, device=like.device)
        return result

    def each(self, condition: Any, count: int) -> list[Any]:
        """Return `count` conditions from one, a list or an array."""
        items = condition
        if not isinstance(condition, (list, Mapping)) and condition is not None and len(self.kinds) == 1:
            axes = {"class": 0, "vector": 1, "guide": 3}[self.kinds[0]]
            array = as_array("condition", condition)
            items = list(array) if array.ndim == axes + 1 else condition
        if not isinstance(items, list):
            return [items] * count
        if len(items) != count:
            raise ValueError(f"condition must have one item for each of the {count} images, got {len(items)}")
        return items

    def _class(self, value: Any) -> int:
        assert self.classes is not None
        if getattr(value, "ndim", 0):
            raise TypeError(
                f"condition's class must be an integer, got {_short(value)}; a list gives one for each sample"
            )
        number = value.item() if hasattr(value, "item") else value
        return integer("condition's class", number, low=0, high=self.classes - 1)

    def _vector(self, value: Any) -> np.ndarray:
        given = as_array("condition's vector", value)
        if given.dtype.kind not in "iuf" or given.shape != (self.vector,):
            hint = "; a list gives one for each sample" if given.ndim == 2 else ""
            raise ValueError(f"condition's vector must be {self.vector} numbers, got {_short(value)}{hint}")
        with np.errstate(over="ignore"):
            vector = given.astype(np.float32)
        if not np.all(np.isfinite(vector)):
            raise ValueError(f"condition's vector must be finite, got {_short(value)}")
        return vector

    def _wanted(self) -> str:
        words = {
            "class": f"a class from 0 to {(self.classes or 0) - 1}",
            "vector": f"a vector of {self.vector} numbers",
            "guide": f"an image of the shape {self.guide}",
        }
        return " and ".join(words[kind] for kind in self.kinds)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"an array of {value.dtype} of the shape {value.shape}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "…"
