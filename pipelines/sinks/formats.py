"""The table of sinks: every file format with its media, its options, and the package that it needs.

A new sink is a file in this folder and an entry here. `open_sink`, the choices and help of the command line, the check
of options and every message that lists formats are derived from the table. Sinks are imported on use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqgen import extras
from seqgen.errors import SeqgenError
from seqgen.files import is_special

if TYPE_CHECKING:
    from seqgen.codecs import Codec

STANDARD_OUTPUT = "-"


@dataclass(frozen=True)
class Option:
    """An option of a format.

    Attributes:
        name: the keyword argument of the sink. kind: int, or the allowed strings.
        help: help text without a full stop; an option without help is not offered on the command line.
        default: description of the default, for the help.
    """

    name: str
    kind: type | tuple[str, ...] = int
    help: str = ""
    default: str = ""


@dataclass(frozen=True)
class Format:
    """One output format.

    Attributes:
        suffixes: file suffixes; the first is the usual one.
        media: the values of `Codec.medium` that it can store; empty is any that no other format of that suffix stores.
        sink: the class, as "module:class".
        help: short description for the command line.
        options: its options.
        needs: the optional package that its sink imports, one of `seqgen.extras`, if any.
        places: "file", "pipe" (standard output) or both.
        binary: whether its output is binary and is refused on a terminal.
        single: whether a file holds one sample; several samples need a name with {index}.
        keeps: what is kept in memory until it is complete: "" is a bounded part of a sample, "sample" each sample,
            "all" all samples.
        scored: whether it holds log-probabilities.
    """

    suffixes: tuple[str, ...]
    media: tuple[str, ...]
    sink: str
    help: str
    options: tuple[Option, ...] = ()
    needs: str | None = None
    places: tuple[str, ...] = ("file", "pipe")
    binary: bool = False
    single: bool = False
    keeps: str = ""
    scored: bool = False

    def holds(self, medium: str) -> bool:
        """Return whether the format can store data of that medium."""
        return not self.media or medium in self.media

    def require(self, suffix: str) -> None:
        """Raise SeqgenError with the install command if the required package cannot be imported."""
        if self.needs is not None:
            extras.load(self.needs, f"writing {suffix}")


_SCALE = Option("scale", int, "Enlarge pixels by this factor", "a viewable size")
_STYLE = Option(
    "style",
    ("colour", "256", "plain", "shades", "ascii"),
    "Characters and colours of images as text",
    "what the terminal supports",
)
_FPS = Option("fps", int, "Frames per second", "25")
_FRAMES = Option("frames", ("rows", "images"), "One frame per generated row, or per image", "rows")
_ENCODING = Option(
    "encoding",
    ("pcm16", "pcm24", "float32"),
    "Storage format of samples",
    "pcm16, or what the format supports",
)

FORMATS = (
    Format((".txt",), (), "pipelines.sinks.text:TextSink", "text, or numbers with one vector per line"),
    Format(
        (".txt",), ("image",), "pipelines.sinks.blocks:BlocksSink", "pixels as half blocks or other characters",
        options=(_STYLE, Option("side_by_side"), Option("count"), Option("columns")),
    ),
    Format(
        (".jsonl",), (), "pipelines.sinks.jsonl:JSONLSink", "one JSON object per line and sample", keeps="sample",
        scored=True,
    ),
    Format(
        (".npz",), ("numbers", "audio"), "pipelines.sinks.npz:NPZSink", "one array of all samples", binary=True,
        keeps="all", scored=True,
    ),
    Format(
        (".npz",), ("image",), "pipelines.sinks.image_npz:ImageNPZSink", "one array of all samples", binary=True,
        keeps="all", scored=True,
    ),
    Format(
        (".png",), ("image",), "pipelines.sinks.png:PNGGridSink",
        "one page with all images, or one file each with a name like digit-{index:05d}.png",
        options=(Option("per_row"), _SCALE), needs="pillow", binary=True, keeps="all",
    ),
    Format(
        (".y4m",), ("image",), "pipelines.sinks.y4m:Y4MSink", "video", options=(_SCALE, _FPS, _FRAMES), binary=True
    ),
    Format(
        (".pnm", ".pgm", ".ppm"), ("image",), "pipelines.sinks.pnm:PNMSink", "images one after another", binary=True
    ),
    Format(
        (".png",), ("strokes",), "pipelines.sinks.strokes:StrokesSink", "one page with all drawings",
        needs="matplotlib", binary=True, keeps="all",
    ),
    Format(
        (".wav", ".s16le", ".f32le"), ("audio",), "pipelines.sinks.audio_pipe:AudioPipeSink",
        "on standard output, for a player; the last two without a header",
        options=(_ENCODING,), places=("pipe",), binary=True,
    ),
    Format(
        (".wav", ".flac", ".ogg", ".rf64", ".s16le", ".f32le"), ("audio",), "pipelines.sinks.audio:RecordingSink",
        "one file per sample; several are numbered, name-00000.wav",
        options=(_ENCODING,), needs="soundfile", places=("file",), binary=True, single=True,
    ),
    Format(
        (".png",), ("audio",), "pipelines.sinks.spectrogram:SpectrogramSink", "a spectrogram",
        needs="pillow", binary=True, keeps="all",
    ),
)  # fmt: skip

SUFFIXES = tuple(dict.fromkeys(suffix for entry in FORMATS for suffix in entry.suffixes))
OPTIONS = {option.name: option for entry in FORMATS for option in entry.options}


def place_of(path: object) -> str:
    """ "pipe" for standard output, and for a pipe or device by name, else "file"."""
    return "pipe" if str(path) == STANDARD_OUTPUT or is_special(str(path)) else "file"


def find_format(suffix: str, codec: Codec, path: object) -> Format:
    """Return the format that writes data of a codec to a suffix.

    Args:
        suffix: with its dot. codec: that of the model. path: the file, or "-" for standard output.

    Raises:
        SeqgenError: if the suffix is unknown or cannot store the model's data; the message lists those that can.
        ValueError: for standard output, if the format can only be written to a file.
    """
    if suffix not in SUFFIXES:
        raise SeqgenError(
            f"the suffix {suffix!r} of {str(path)!r} is unknown; there are {', '.join(SUFFIXES)}"
        )
    fitting = [entry for entry in FORMATS if suffix in entry.suffixes and entry.holds(codec.medium)]
    if not fitting:
        *most, last = suffixes_for(codec.medium)
        raise SeqgenError(f"a {suffix} file cannot hold {codec.unit}; write {', '.join(most)} or {last}")
    here = [entry for entry in fitting if place_of(path) in entry.places]
    if not here:
        other = [
            each
            for entry in FORMATS
            if entry.holds(codec.medium) and "file" not in entry.places
            for each in entry.suffixes
        ]
        instead = f", unlike {listed(other, 'and')}" if other else ""
        raise ValueError(f"{suffix} cannot be written to a pipe{instead}; give the name of a file")
    # prefer a format made for this medium to a general one
    return max(here, key=lambda entry: bool(entry.media))


def suffixes_for(medium: str) -> tuple[str, ...]:
    """Return the suffixes of the formats that can store data of a medium, in the order of the table."""
    return tuple(
        dict.fromkeys(suffix for entry in FORMATS if entry.holds(medium) for suffix in entry.suffixes)
    )


def suffixes_with(option: str, medium: str | None = None, place: str | None = None) -> tuple[str, ...]:
    """Return the suffixes of the formats that have an option: all, or those for a medium and a place."""
    known = (
        entry
        for entry in FORMATS
        if option in (each.name for each in entry.options)
        and (medium is None or entry.holds(medium))
        and (place is None or place in entry.places)
    )
    return tuple(dict.fromkeys(suffix for entry in known for suffix in entry.suffixes))


def media_with(option: str) -> tuple[str, ...]:
    """Return the media of the formats that have an option."""
    known = (entry for entry in FORMATS if option in (each.name for each in entry.options))
    return tuple(dict.fromkeys(medium for entry in known for medium in entry.media))


def offered() -> Iterator[Option]:
    """Return the options that the command line offers."""
    return (option for option in OPTIONS.values() if option.help)


def described() -> list[tuple[str, str]]:
    """Return (suffixes, media and description), one row per entry of the table."""
    return [
        (" ".join(entry.suffixes), f"{listed(entry.media or ('any model',), 'and')}: {entry.help}")
        for entry in FORMATS
    ]


def listed(words: Iterable[str], last: str) -> str:
    """Join words by commas, with `last` before the last one."""
    *most, end = dict.fromkeys(words)
    return f"{', '.join(most)} {last} {end}" if most else end
