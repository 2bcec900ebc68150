"""Entries of a model's configuration: what each may be, declared once for the constructor and for files.

A constructor calls `Configuration.check` with its arguments and gets ValueError or TypeError; what comes from a file
goes through `Configuration.read`, which also refuses entries that are missing or foreign.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqgen.checks import boolean
from seqgen.codecs import Codec, Pixels, codec_class
from seqgen.errors import SeqgenError, choice, integer, real

REQUIRED = object()
"""The default of an entry that every configuration must have."""

Rule = Callable[[Codec, dict[str, Any]], None]
"""What entries must be together; raises ValueError or TypeError."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One entry of a configuration.

    Attributes:
        optional: whether it may be None.
        default: of configurations that were written before there was the entry.
    """

    optional: bool = False
    default: Any = REQUIRED

    def check(self, name: str, value: Any) -> Any:
        """`value`, or ValueError or TypeError that names it."""
        return None if value is None and self.optional else self._checked(name, value)

    def _checked(self, name: str, value: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Integer(Setting):
    """A whole number; True and False are none.

    Attributes:
        low, high: what makes sense.
        most: what can be served: a size that no array of the model has, and that takes memory all the same.
        odd: whether it must be odd.
    """

    low: int = 1
    high: int | None = None
    most: int | None = None
    odd: bool = False

    def _checked(self, name: str, value: Any) -> int:
        number = integer(name, value, low=self.low, high=self.high, most=self.most)
        if self.odd and number % 2 == 0:
            raise ValueError(f"{name} must be odd, got {number}")
        return number


@dataclass(frozen=True, kw_only=True)
class Real(Setting):
    """A finite number with low <= value < below."""

    low: float | None = None
    below: float | None = None

    def _checked(self, name: str, value: Any) -> float:
        return real(name, value, low=self.low, below=self.below)


@dataclass(frozen=True, kw_only=True)
class Boolean(Setting):
    """True or False."""

    def _checked(self, name: str, value: Any) -> bool:
        return boolean(name, value)


@dataclass(frozen=True)
class Choice(Setting):
    """One of several words."""

    options: tuple[str, ...]

    def _checked(self, name: str, value: Any) -> str:
        return choice(name, value, self.options)


@dataclass(frozen=True, kw_only=True)
class ImageShape(Setting):
    """(colours, rows, columns) of images."""

    def _checked(self, name: str, value: Any) -> tuple[int, int, int]:
        try:
            return Pixels(value, 2).shape
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Part(Setting):
    """The configuration of a model that is a part of this one, which has a schema of its own."""

    def _checked(self, name: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be the configuration of a model, got {value!r}")
        return value


class Configuration:
    """All entries of a family's configuration but "codec".

    Args:
        family: its name, for messages. codecs: the names of the codecs that it may have; None is any that
            the rule allows.
        entries: by name. rule: what they must be together.

    Example:
        >>> sizes = Configuration("toy", ("bytes",), {"layers": Integer(), "dropout": Real(low=0.0, below=1.0)})
        >>> sizes.read({"codec": {"name": "bytes"}, "layers": 0, "dropout": 0.5})
        Traceback (most recent call last):
        seqgen.errors.SeqgenError: the configuration is wrong: layers must be at least 1, got 0
    """

    def __init__(
        self,
        family: str,
        codecs: Sequence[str] | None,
        entries: Mapping[str, Setting],
        rule: Rule | None = None,
    ) -> None:
        self.family, self.codecs, self.entries, self.rule = family, codecs, dict(entries), rule

    def __getitem__(self, name: str) -> Setting:
        return self.entries[name]

    def check(self, codec: Codec, **given: Any) -> dict[str, Any]:
        """A constructor's arguments, one for every entry, with which it has made `codec`.

        Raises:
            ValueError, TypeError: for one that is out of range, or if they do not go together.
        """
        checked = {name: setting.check(name, given.pop(name)) for name, setting in self.entries.items()}
        assert not given, f"{', '.join(given)} are no entries of the configuration"
        if self.rule is not None:
            self.rule(codec, checked)
        return checked

    def read(self, config: Any) -> tuple[Codec, dict[str, Any]]:
        """The codec and the entries of a configuration from a file.

        Raises:
            SeqgenError: if an entry is missing, foreign, of another type or out of range.
        """
        if not isinstance(config, Mapping):
            raise SeqgenError(f"the configuration must be a mapping, got {_short(config)}")
        known = ("codec", *self.entries)
        foreign = [name for name in config if name not in known]
        if foreign:
            raise SeqgenError(
                f"the configuration has an entry {_short(foreign[0])}, which the family {self.family!r} does not "
                f"know; it knows {', '.join(known)}"
            )
        given = {name: config.get(name, setting.default) for name, setting in self.entries.items()}
        missing = [name for name, value in given.items() if value is REQUIRED]
        missing += [] if "codec" in config else ["codec"]
        if missing:
            raise SeqgenError(
                f"the configuration has no entry {missing[0]!r}, which the family {self.family!r} needs"
            )
        codec = read_codec(config["codec"], self.codecs)
        try:
            return codec, self.check(codec, **given)
        except (TypeError, ValueError) as error:
            raise SeqgenError(f"the configuration is wrong: {_clipped(str(error))}") from None


def read_codec(config: Any, allowed: Sequence[str] | None) -> Codec:
    """The codec that a configuration from a file describes, which must be of one of the kinds `allowed`, if they are.

    Raises:
        SeqgenError: if it is of another kind, or an entry is missing, foreign or out of range.
    """
    if not isinstance(config, Mapping):
        raise SeqgenError(f"the configuration's codec must be a mapping, got {_short(config)}")
    name = config.get("name")
    kind = codec_class(name)
    if allowed is not None and name not in allowed:
        raise SeqgenError(f"the codec must be one of {', '.join(map(repr, allowed))}, got {_short(name)}")
    wanted, has = {"name", *inspect.signature(kind).parameters}, set(config)
    if has != wanted:
        raise SeqgenError(
            f"the codec {name!r} must have the entries {', '.join(sorted(wanted))}, got "
            f"{_clipped(', '.join(sorted(map(str, has))))}"
        )
    try:
        return kind(**{key: value for key, value in config.items() if key != "name"})
    except (TypeError, ValueError) as error:
        raise SeqgenError(f"the codec {name!r} is wrong: {_clipped(str(error))}") from None


def _short(value: Any) -> str:
    return _clipped(repr(value), 60)


def _clipped(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
