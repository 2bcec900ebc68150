"""Media of the command line: the table of media, their options, and the check that options fit the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipelines.cli.media.audio import AudioMedium
from pipelines.cli.media.base import Medium, MediumOption
from pipelines.cli.media.image import ImageMedium
from pipelines.cli.sections import SectionOption
from pipelines.sinks import formats
from seqgen.errors import SeqgenError

if TYPE_CHECKING:
    from seqgen.codecs import Codec

MEDIA: tuple[type[Medium], ...] = (Medium, ImageMedium, AudioMedium)
"""The first entry handles codecs of any other medium."""

Command = TypeVar("Command", bound=Callable[..., Any])


def medium_of(codec: Codec) -> type[Medium]:
    """Return the class that handles models with this codec."""
    return next((medium for medium in MEDIA if codec.medium in medium.media), MEDIA[0])


def media_options(command: Command) -> Command:
    """Add to a command the options of all media and file formats, each in the section of its medium."""
    made = [_of_media(name) for name in _declared()]
    made += [_of_formats(option) for option in formats.offered()]
    for decorate in reversed(made):
        command = decorate(command)
    return command


def by_medium(default: str) -> str:
    """Return the help text that lists an attribute of each medium, such as "default_n"."""
    first, *others = MEDIA
    usual = getattr(first, default)
    own = {medium.label: getattr(medium, default) for medium in others}
    return "; ".join([usual, *(f"{label} models: {text}" for label, text in own.items() if text != usual)])


def refuse_foreign(codec: Codec, given: Mapping[str, Any]) -> None:
    """Raise SeqgenError if an option is given that only models of other media have."""
    own = medium_of(codec)
    for name, declared in _declared().items():
        if _is_given(given[name]) and own not in declared:
            option = declared[next(iter(declared))]
            instead = f"; {option.instead}" if option.instead else ""
            raise SeqgenError(_for_models(name, [medium.label for medium in declared]) + instead)
    for option_ in formats.offered():
        media = formats.media_with(option_.name)
        if given[option_.name] is not None and media and codec.medium not in media:
            raise SeqgenError(_for_models(option_.name, media))


def format_options(
    format_: formats.Format, suffix: str, given: Mapping[str, Any], instead: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the given options of a format; raise ValueError for one that only other formats have.

    Args:
        format_, suffix: the format. given: the values of the command's options by name.
        instead: "medium" and "place" of the output, if other formats can be requested for it with --format.
    """
    known = {option.name for option in format_.options}
    chosen = {
        option.name: given[option.name] for option in formats.offered() if given[option.name] is not None
    }
    for name in chosen:
        if name not in known:
            others = formats.listed(formats.suffixes_with(name), "and")
            message = f"{_flag(name)} is not for {suffix} but for {others}"
            if instead is not None:
                usable = [other[1:] for other in formats.suffixes_with(name, **instead)]
                message += f"; give --format {formats.listed(usable, 'or')}" if usable else ""
            raise ValueError(message)
    return chosen


def _declared() -> dict[str, dict[type[Medium], MediumOption]]:
    """Map each option name to the media that declare it."""
    found: dict[str, dict[type[Medium], MediumOption]] = {}
    for medium in MEDIA:
        for option in medium.options:
            found.setdefault(option.name, {})[medium] = option
    return found


def _of_media(name: str) -> Callable[[Command], Command]:
    declared = _declared()[name]
    helps = dict.fromkeys(option.help for option in declared.values())
    if len(helps) == 1:
        text = next(iter(helps))
    else:
        text = "; ".join(
            option.help if medium is MEDIA[0] else f"{medium.label} models: {option.help}"
            for medium, option in declared.items()
        )
    settings = next(iter(declared.values())).settings
    labels = [medium.label for medium in declared]
    section = f"{labels[0].capitalize()} models" if len(labels) == 1 else "Samples"
    return click.option(
        _flag(name), name, cls=SectionOption, section=section, help=_sentence(text), **settings
    )


def _of_formats(option: formats.Option) -> Callable[[Command], Command]:
    suffixes, media = formats.suffixes_with(option.name), formats.media_with(option.name)
    text = f"{option.help} ({formats.listed(suffixes, 'and')})."
    text += f"  [default: {option.default}]" if option.default else ""
    return click.option(
        _flag(option.name), option.name, cls=SectionOption, help=text,
        section=f"{media[0].capitalize()} models" if len(media) == 1 else "Output",
        type=click.Choice(option.kind) if isinstance(option.kind, tuple) else option.kind,
    )  # fmt: skip


def _for_models(name: str, labels: Any) -> str:
    return f"{_flag(name)} is for {formats.listed(labels, 'and')} models"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(']') else '.'}"


def _is_given(value: Any) -> bool:
    return value not in (None, (), False)
