"""How the images of a data set are read: the settings of a training, which its card keeps for later data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from seqgen.data.fitting import checked_size
from seqgen.errors import choice, real

GROUNDS = ("black", "white")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Arguments of `seqgen.data.images.read_images`; None is the reader's default.

    Attributes:
        size: (rows, columns) to crop and resize to. colours: 1 converts to grey, 3 to RGB.
        maximum: number of full intensity of arrays. ground: "black" or "white", below transparent pixels.
    """

    size: tuple[int, int] | None = None
    colours: int | None = None
    maximum: float | None = None
    ground: str | None = None

    def __post_init__(self) -> None:
        if self.colours not in (None, 1, 3):
            raise ValueError(
                f"colours must be 1 (grey), 3 (RGB) or None (as in the files), got {self.colours!r}"
            )
        if self.maximum is not None:
            real("maximum", self.maximum, above=0.0)
        if self.ground is not None:
            choice("ground", self.ground, GROUNDS)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Create from "size" ("28", "28x32", a number or a pair), "colours", "maximum" and "ground"; 0, "" and None are
        the defaults."""
        given = {name: settings.get(name) or None for name in ("size", "colours", "maximum", "ground")}
        return cls(**given | {"size": _size(given["size"])})

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Self:
        """Create from the entry "reading" of a card, if there is one."""
        known = card.get("reading")
        return cls.from_settings(known if isinstance(known, Mapping) else {})

    @classmethod
    def of_shape(cls, shape: tuple[int, int, int]) -> Self:
        """Create the size and colours of a model's images (colours, rows, columns)."""
        colours, *size = shape
        return cls(size=(size[0], size[1]), colours=colours if colours in (1, 3) else None)

    def card(self) -> dict[str, Any]:
        """Return the entry "reading" of a card, or nothing if all are the defaults."""
        chosen = {name: value for name, value in asdict(self).items() if value is not None}
        return {"reading": chosen} if chosen else {}

    def options(self) -> dict[str, Any]:
        """Return the arguments of `read_images` that are given."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def changed(self, **others: Any) -> Self:
        """Return a copy in which the arguments that are not None replace its own."""
        return replace(self, **{name: value for name, value in others.items() if value is not None})


def _size(value: Any) -> tuple[int, int] | None:
    if value in (None, "", 0, "0"):
        return None
    if not isinstance(value, str):
        return checked_size(tuple(value) if isinstance(value, list) else value)
    words = value.lower().split("x")
    if len(words) > 2 or not all(word.strip().removeprefix("-").isdecimal() for word in words):
        raise ValueError(f"size must be a number, or rows and columns such as 28x32, got {value!r}")
    numbers = [int(word) for word in words]
    return checked_size((numbers[0], numbers[-1]))
