"""The interface between `seqgen stream` and a medium, and the default medium for text, numbers and symbols."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.sinks.formats import FORMATS, STANDARD_OUTPUT, Format, listed
from pipelines.sinks.names import is_pattern
from seqgen.registry import validated

if TYPE_CHECKING:
    from pipelines.operators import Paced
    from pipelines.sources import FromModel
    from seqgen.checkpoint import Weights
    from seqgen.codecs import Codec
    from seqgen.stats import StreamStats


@dataclass(frozen=True)
class MediumOption:
    """An option of `seqgen stream` that some media have; it is refused for models of the others.

    Attributes:
        name: with underscores, as in "keep_rows". help: help text without a full stop.
        settings: arguments of `click.Option`, such as type, multiple and metavar.
        instead: the alternative for other models, appended to the error message.
    """

    name: str
    help: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    instead: str = ""


@dataclass
class Plan:
    """A request completed with defaults. Fields are determined in order from top to bottom.

    Attributes:
        output: the file, or "-". suffix, format: the output format. terminal: whether samples go to a terminal.
        batch: number of lanes. length, n, chunk: arguments of the stream.
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
    """One medium on the command line. This base class handles every codec whose medium is in no other class's `media`.

    A new medium is a file in this folder with a subclass, and an entry in `MEDIA`.

    Args:
        name: the model as the user wrote it. weights, codec: those of the model.
        given: the values of the command's options by name.

    Attributes:
        media: the values of `Codec.medium` that it handles. label: its name in "… is for image models".
        options: the options of its models.
        default_n, default_chunk, default_format: descriptions of these options' defaults, for the help.
        on_terminal: suffix of the default format on a terminal.
    """

    media: ClassVar[tuple[str, ...]] = ()
    label: ClassVar[str] = "text"
    options: ClassVar[tuple[MediumOption, ...]] = (
        MediumOption("prompt", "text that every sample continues; it is printed first"),
    )
    default_n: ClassVar[str] = "1 with --length, else endless"
    default_chunk: ClassVar[str] = "1 on a terminal, else the model's"
    default_format: ClassVar[str] = "txt"
    on_terminal: ClassVar[str] = ".txt"

    def __init__(self, name: str, weights: Weights, codec: Codec, given: Mapping[str, Any]) -> None:
        self.name, self.weights, self.codec, self.given = name, weights, codec, given

    # ---- the output -------------------------------------------------------------------------------------

    def suffix(self, output: str, asked: str | None) -> str:
        """Return the suffix of the format: that of --format, else of the file name, else the default of the output."""
        if asked is not None:
            return f".{asked}"
        if output != STANDARD_OUTPUT:
            return Path(output).suffix.lower()
        return self.on_terminal if sys.stdout.isatty() else self.codec.default_suffix

    def not_for_a_terminal(self, suffix: str) -> str:
        """Return the error message for binary output to a terminal."""
        return f"--format {suffix[1:]} cannot be written to a terminal; name a file with -o, or use a pipe"

    def sink_options(self, plan: Plan) -> dict[str, Any]:
        """Return arguments of the sink other than the options of its format."""
        return {}

    def more_outputs(self) -> dict[str, str]:
        """Return further output files for the same samples, with the suffix of their format."""
        return {}

    # ---- the request ------------------------------------------------------------------------------------

    def allowed(self, text: str) -> Any:
        """Return the symbols given by --allowed."""
        return text

    def length(self, asked: int | None) -> int | None:
        """Return the symbols per sample; None is the model's own length, or endless."""
        return asked

    def count(self, plan: Plan) -> int | None:
        """Return the default of --n; None is endless."""
        return None if plan.length is None else 1

    def chunk(self, plan: Plan) -> int | None:
        """Return the default of --chunk; None is the model's own."""
        return None

    def prompt(self) -> tuple[Any, Any]:
        """Return the prompt for the model, and the prompt for the sink."""
        return self.given["prompt"] or None, self.given["prompt"]

    def condition(self) -> Any:
        """Return the condition of the samples."""
        return None

    def check(self, plan: Plan) -> None:
        """Raise ValueError for a plan that cannot be carried out."""
        if plan.batch > 1 and plan.length is None and self.endless(plan) and not self.given["stop"]:
            raise ValueError(
                "--batch above 1 needs --length or --stop: endless samples cannot be written one after another"
            )
        if self.given["log_probs"] and not plan.format.scored:
            fitting = dict.fromkeys(
                suffix for entry in FORMATS if entry.scored and entry.holds(self.codec.medium)
                for suffix in entry.suffixes
            )  # fmt: skip
            raise ValueError(
                f"--log-probs is not for {plan.suffix} but for {listed(fitting, 'and')}; give "
                f"--format {listed((suffix[1:] for suffix in fitting), 'or')}"
            )
        keeps = "" if is_pattern(plan.output) else plan.format.keeps
        if keeps and plan.length is None and not self.given["stop"] and not validated(self.weights).ends:
            raise ValueError(
                f"a {plan.suffix} file gets a sample when it has ended, and the samples of {self.name} never end; give "
                f"--length, the number of {self.codec.unit} of a sample"
            )
        if keeps == "all" and plan.n is None:
            raise ValueError(
                f"a {plan.suffix} file is written after the last sample; give -n, the number of samples"
            )

    def endless(self, plan: Plan) -> bool:
        """Return whether samples without --length and --stop never end."""
        return not validated(self.weights).ends

    # ---- streaming --------------------------------------------------------------------------------------

    def paced(self, source: FromModel, plan: Plan) -> Paced | None:
        """Return the stage that delivers the source in real time, if requested."""
        return None

    def hint(self, plan: Plan) -> str | None:
        """Return a line to print on standard error before the first sample."""
        return None

    def amount(self, stats: StreamStats, rate: float) -> str:
        """Return a phrase for the amount generated and the rate; `rate` is in symbols per second."""
        samples = f"{stats.samples:,} sample{'s' if stats.samples != 1 else ''}, " if stats.samples else ""
        return f"{samples}{stats.symbols:,} {self.codec.unit}, {rate:,.0f} {self.codec.unit}/s"
