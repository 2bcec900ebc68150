"""What `seqgen stream` has to know of a medium: the interface, and what holds for text, numbers and all the rest."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.sinks.formats import STANDARD_OUTPUT, Format

if TYPE_CHECKING:
    from pipelines.operators import Paced
    from pipelines.sources import FromModel
    from seqgen.checkpoint import Weights
    from seqgen.codecs import Codec
    from seqgen.stats import StreamStats


@dataclass(frozen=True)
class MediumOption:
    """An option of `seqgen stream` that some media know; what one does not know is refused for its models.

    Attributes:
        name: with underscores, as in "keep_rows". help: what it does, without a full stop.
        settings: of the `click.Option`, such as type, multiple and metavar.
        instead: what to do for other models, at the end of the refusal.
    """

    name: str
    help: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    instead: str = ""


@dataclass
class Plan:
    """What a request comes to: as asked for, and what was not asked for as it is decided, from top to bottom.

    Attributes:
        output: the file, or "-". suffix, format: how it is written. terminal: whether samples go to a terminal.
        batch: samples side by side. length, n, chunk: of the stream.
    """

    output: str
    suffix: str
    format: Format
    terminal: bool
    batch: int
    length: int | None
    n: int | None
    chunk: int | None


class Medium:
    """One medium on the command line. This base serves every codec whose medium no other class names in `media`.

    Another medium is a file in this folder with a subclass, and an entry in `MEDIA`.

    Args:
        name: of the model, as the user wrote it. weights: the model. codec: of it.
        given: the options of the command by name; those of `options` are read from here.

    Attributes:
        media: the `Codec.medium`s that it serves. label: its name in "… is for image models".
        options: that its models know.
        default_n, default_chunk, default_format: what happens without these options, for the help.
        on_terminal: the suffix of the format that a terminal gets unless another is asked for.
    """

    media: ClassVar[tuple[str, ...]] = ()
    label: ClassVar[str] = "text"
    options: ClassVar[tuple[MediumOption, ...]] = (
        MediumOption("prompt", "text that stands before every sample; it is printed first"),
    )
    default_n: ClassVar[str] = "1 with --length, else endless"
    default_chunk: ClassVar[str] = "1 on a terminal, else the model's"
    default_format: ClassVar[str] = "txt"
    on_terminal: ClassVar[str] = ".txt"

    def __init__(self, name: str, weights: Weights, codec: Codec, given: Mapping[str, Any]) -> None:
        self.name, self.weights, self.codec, self.given = name, weights, codec, given

    # ---- the output -------------------------------------------------------------------------------------

    def suffix(self, output: str, asked: str | None) -> str:
        """The suffix of the format: that of --format, else of the file's name, else what the receiver takes."""
        if asked is not None:
            return f".{asked}"
        if output != STANDARD_OUTPUT:
            return Path(output).suffix.lower()
        return self.on_terminal if sys.stdout.isatty() else self.codec.default_suffix

    def not_for_a_terminal(self, suffix: str) -> str:
        """What to say when bytes would go to a terminal."""
        return f"--format {suffix[1:]} is not for a terminal; give a file with -o, or a pipe"

    def sink_options(self, plan: Plan) -> dict[str, Any]:
        """What the sink should know beside the options of its format."""
        return {}

    def more_outputs(self) -> dict[str, str]:
        """Other files to write from the same samples, with the suffix of their format."""
        return {}

    # ---- the request ------------------------------------------------------------------------------------

    def allowed(self, text: str) -> Any:
        """The symbols that --allowed names."""
        return text

    def length(self, asked: int | None) -> int | None:
        """Symbols in a sample; None is the model's own length, or endless."""
        return asked

    def count(self, plan: Plan) -> int | None:
        """How many samples there are unless --n says it; None is endless."""
        return None if plan.length is None else 1

    def chunk(self, plan: Plan) -> int | None:
        """Symbols in a chunk unless --chunk says it; None is the model's own."""
        return None

    def prompt(self) -> tuple[Any, Any]:
        """What --prompt is to the model, and what the sink is told of it."""
        return self.given["prompt"] or None, self.given["prompt"]

    def condition(self) -> Any:
        """What the samples are conditioned on."""
        return None

    def check(self, plan: Plan) -> None:
        """Raise ValueError for a plan that cannot be carried out."""
        if plan.batch > 1 and plan.length is None and self.endless(plan) and not self.given["stop"]:
            raise ValueError(
                "--batch above 1 needs --length or --stop: endless samples cannot be written in turn"
            )

    def endless(self, plan: Plan) -> bool:
        """Whether samples without --length and --stop never end."""
        return self.weights.family == "char-rnn"

    # ---- on the way -------------------------------------------------------------------------------------

    def paced(self, source: FromModel, plan: Plan) -> Paced | None:
        """The source in real time, if that is asked for."""
        return None

    def hint(self, plan: Plan) -> str | None:
        """A line for standard error before the first sample."""
        return None

    def amount(self, stats: StreamStats, rate: float) -> str:
        """What was made, and how fast, in words; `rate` is in symbols per second."""
        samples = f"{stats.samples:,} sample{'s' if stats.samples != 1 else ''}, " if stats.samples else ""
        return f"{samples}{stats.symbols:,} {self.codec.unit}, {rate:,.0f} {self.codec.unit}/s"
