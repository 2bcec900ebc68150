"""The table of sinks: every file format with what it can hold, its options, and the package that it needs.

A new sink is a file in this folder and an entry here. `open_sink`, the choices and the help of the command line, the
check of options and every message that lists formats follow from the table. Nothing is imported until it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqgen import extras
from seqgen.errors import SeqgenError

if TYPE_CHECKING:
    from seqgen.codecs import Codec

STANDARD_OUTPUT = "-"


@dataclass(frozen=True)
class Option:
    """An option of a format.

    Attributes:
        name: the keyword of the sink. kind: int, or the strings that it can be.
        help: what it does, without a full stop; an option without help is not offered on the command line.
        default: what happens without it, for the help.
    """

    name: str
    kind: type | tuple[str, ...] = int
    help: str = ""
    default: str = ""


@dataclass(frozen=True)
class Format:
    """One kind of output.

    Attributes:
        suffixes: of its files; the first is the usual one.
        media: what it can hold, as `Codec.medium`; empty is everything that no other format of that suffix holds.
        sink: the class, as "module:class".
        help: what it is, in a few words, for the command line.
        options: that it knows.
        needs: the package that its sink imports, one of `seqgen.extras`, if it needs one.
        places: "file", "pipe" (standard output) or both.
        binary: whether its bytes are nothing for a terminal.
        single: whether a file holds one sample; several are given a name with the index in braces.
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

    def holds(self, medium: str) -> bool:
        """Whether it can hold data of that medium."""
        return not self.media or medium in self.media

    def require(self, suffix: str) -> None:
        """Raise SeqgenError with the line to type unless the package that it needs can be imported."""
        if self.needs is not None:
            extras.load(self.needs, f"writing {suffix}")


_SCALE = Option("scale", int, "Enlarge pixels so many times", "to look at")
_STYLE = Option(
    "style", ("colour", "256", "plain", "shades", "ascii"), "Of images as text", "what the terminal has"
)
_FPS = Option("fps", int, "Frames a second", "25")
_FRAMES = Option(
    "frames", ("rows", "images"), "A frame for every row as it is drawn, or for every image", "rows"
)
_ENCODING = Option("encoding", ("pcm16", "pcm24", "float32"), "How samples are stored", "pcm16, or what fits")

FORMATS = (
    Format((".txt",), (), "pipelines.sinks.text:TextSink", "text, or numbers a vector a line"),
    Format(
        (".txt",), ("image",), "pipelines.sinks.blocks:BlocksSink", "half blocks or other characters",
        options=(_STYLE, Option("side_by_side"), Option("count"), Option("columns")),
    ),
    Format((".jsonl",), (), "pipelines.sinks.jsonl:JSONLSink", "an object for each sample"),
    Format((".npz",), ("numbers", "audio"), "pipelines.sinks.npz:NPZSink", "an array of all", binary=True),
    Format((".npz",), ("image",), "pipelines.sinks.image_npz:ImageNPZSink", "an array of all", binary=True),
    Format(
        (".png",), ("image",), "pipelines.sinks.png:PNGGridSink",
        "a page of all, or a file for each with a name like digit-{index:05d}.png",
        options=(_SCALE,), needs="pillow", binary=True,
    ),
    Format(
        (".y4m",), ("image",), "pipelines.sinks.y4m:Y4MSink", "video", options=(_SCALE, _FPS, _FRAMES), binary=True
    ),
    Format(
        (".pnm", ".pgm", ".ppm"), ("image",), "pipelines.sinks.pnm:PNMSink", "one after another", binary=True
    ),
    Format(
        (".png",), ("strokes",), "pipelines.sinks.strokes:StrokesSink", "a page of all",
        needs="matplotlib", binary=True,
    ),
    Format(
        (".wav", ".s16le", ".f32le"), ("audio",), "pipelines.sinks.audio_pipe:AudioPipeSink",
        "on standard output, for a player; the last two are samples without a header",
        options=(_ENCODING,), places=("pipe",), binary=True,
    ),
    Format(
        (".wav", ".flac", ".ogg", ".rf64", ".s16le", ".f32le"), ("audio",), "pipelines.sinks.audio:RecordingSink",
        "a recording; of several samples a file for each, name-00000.wav",
        options=(_ENCODING,), needs="soundfile", places=("file",), binary=True, single=True,
    ),
    Format(
        (".png",), ("audio",), "pipelines.sinks.spectrogram:SpectrogramSink", "a spectrogram",
        needs="pillow", binary=True,
    ),
)  # fmt: skip

SUFFIXES = tuple(dict.fromkeys(suffix for entry in FORMATS for suffix in entry.suffixes))
OPTIONS = {option.name: option for entry in FORMATS for option in entry.options}


def place_of(path: object) -> str:
    """ "pipe" for standard output, else "file"."""
    return "pipe" if str(path) == STANDARD_OUTPUT else "file"


def find_format(suffix: str, codec: Codec, path: object) -> Format:
    """The format that writes a codec's data under a suffix.

    Args:
        suffix: with its dot. codec: of the model. path: the file, or "-" for standard output.

    Raises:
        SeqgenError: if there is no such suffix, or it cannot hold what the model makes; what can is listed.
        ValueError: for standard output, if it can only be a file.
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
        instead = f", as {listed(other, 'and')} are" if other else ""
        raise ValueError(f"{suffix} is not for a pipe{instead}; give the name of a file")
    # what is made for a medium goes before what takes everything
    return max(here, key=lambda entry: bool(entry.media))


def suffixes_for(medium: str) -> tuple[str, ...]:
    """The suffixes of what can hold data of a medium, in the order of the table."""
    return tuple(
        dict.fromkeys(suffix for entry in FORMATS if entry.holds(medium) for suffix in entry.suffixes)
    )


def suffixes_with(option: str) -> tuple[str, ...]:
    """The suffixes of the formats that know an option."""
    known = (entry for entry in FORMATS if option in (each.name for each in entry.options))
    return tuple(dict.fromkeys(suffix for entry in known for suffix in entry.suffixes))


def media_with(option: str) -> tuple[str, ...]:
    """The media of the formats that know an option."""
    known = (entry for entry in FORMATS if option in (each.name for each in entry.options))
    return tuple(dict.fromkeys(medium for entry in known for medium in entry.media))


def offered() -> Iterator[Option]:
    """The options that the command line offers."""
    return (option for option in OPTIONS.values() if option.help)


def described() -> list[tuple[str, str]]:
    """Suffixes, and what they are for which models: a row for each entry of the table."""
    return [
        (" ".join(entry.suffixes), f"{listed(entry.media or ('any model',), 'and')}: {entry.help}")
        for entry in FORMATS
    ]


def listed(words: Iterable[str], last: str) -> str:
    """Words with commas, and `last` before the last one."""
    *most, end = dict.fromkeys(words)
    return f"{', '.join(most)} {last} {end}" if most else end
