"""Declarations of the entries of a model's configuration, shared by its constructor and the check of files.

A constructor checks its arguments with `Configuration.check`, which raises ValueError or TypeError. A configuration
from a file is checked by `Configuration.read`, which also refuses missing and unknown entries.
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
"""The default of a required entry."""

Rule = Callable[[Codec, dict[str, Any]], None]
"""A check across entries; raises ValueError or TypeError."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One entry of a configuration.

    Attributes:
        optional: whether it may be None.
        default: the value for configurations that were written before the entry existed.
    """

    optional: bool = False
    default: Any = REQUIRED

    def check(self, name: str, value: Any) -> Any:
        """Return `value`, or raise ValueError or TypeError naming it."""
        return None if value is None and self.optional else self._checked(name, value)

    def _checked(self, name: str, value: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Integer(Setting):
    """An integer; bool is not accepted.

    Attributes:
        low, high: the valid range.
        most: a limit on a size that no array of the model has but that still takes memory.
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
    """A finite real number with low <= value < below."""

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
    """One of several strings."""

    options: tuple[str, ...]

    def _checked(self, name: str, value: Any) -> str:
        return choice(name, value, self.options)


@dataclass(frozen=True, kw_only=True)
class ImageShape(Setting):
    """An image shape (colours, rows, columns)."""

    def _checked(self, name: str, value: Any) -> tuple[int, int, int]:
        try:
            return Pixels(value, 2).shape
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Part(Setting):
    """The configuration of a sub-model, which has its own schema."""

    def _checked(self, name: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be the configuration of a model, got {value!r}")
        return value


class Configuration:
    """All entries of a family's configuration except "codec".

    Args:
        family: its name, for messages. codecs: the names of the allowed codecs; None is any that the rule allows.
        entries: the settings by name. rule: a check across entries.

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
        """Check a constructor's arguments, one per entry, together with the codec made from them, and return them.

        Raises:
            ValueError, TypeError: if an argument is out of range or the arguments are inconsistent.
        """
        checked = {name: setting.check(name, given.pop(name)) for name, setting in self.entries.items()}
        assert not given, f"{', '.join(given)} are no entries of the configuration"
        if self.rule is not None:
            self.rule(codec, checked)
        return checked

    def read(self, config: Any) -> tuple[Codec, dict[str, Any]]:
        """Return the codec and the entries of a configuration from a file.

        Raises:
            SeqgenError: if an entry is missing, unknown, of the wrong type or out of range.
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
    """Return the codec that a configuration from a file describes; its name must be in `allowed`, if given.

    Raises:
        SeqgenError: if the codec is not allowed, or an entry is missing, unknown or out of range.
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
