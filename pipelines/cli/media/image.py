"""Images on the command line: prompts and conditions from files, and chunk sizes suited to the output."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from pipelines.cli.media.base import Medium, MediumOption, Plan
from pipelines.cli.media.conditions import CONDITION, class_by_name, vector_of
from pipelines.cli.media.streams import on_disk
from pipelines.sinks.formats import STANDARD_OUTPUT
from seqgen.data.inputs import is_stream
from seqgen.errors import SeqgenError

if TYPE_CHECKING:
    from seqgen.codecs import Pixels
    from seqgen.conditions.image import Conditions
    from seqgen.stats import StreamStats

GROUNDS = ("black", "white")


class ImageMedium(Medium):
    """Image models; a symbol is a row."""

    media = ("image",)
    label = "image"
    options: ClassVar[tuple[MediumOption, ...]] = (
        MediumOption("prompt", "an image, .npy or .npz file to complete, - for standard input"),
        MediumOption("keep_rows", "Number of rows to keep from the top of the prompt image", {"type": int}),
        MediumOption(
            "mask", "Image file: white pixels of the prompt image are kept, black ones are generated"
        ),
        MediumOption("maximum", "Number of full intensity of a prompt in a .npy or .npz file", {"type": float}),
        MediumOption(
            "ground", "Ground below transparent pixels of a prompt  [default: as in training, else black]",
            {"type": click.Choice(GROUNDS)},
        ),
        MediumOption("fit", "Crop and resize a prompt to the size of the model", {"is_flag": True}),
        CONDITION,
    )  # fmt: skip
    default_n = "1, endless for y4m on standard output"
    default_chunk = "1 for txt and y4m, else 8"
    default_format = "pnm, txt on a terminal"
    codec: Pixels

    def sink_options(self, plan: Plan) -> dict[str, Any]:
        if plan.suffix == ".png" and self.given["condition"] == "each":
            # a column for each class
            return {"per_row": self.conditions().classes}
        # output to a file or a pipe must not depend on the batch
        if not plan.terminal or plan.suffix != ".txt":
            return {}
        columns = shutil.get_terminal_size().columns
        return {"side_by_side": plan.batch, "count": plan.n, "columns": columns}

    def allowed(self, text: str) -> list[int]:
        """Parse levels separated by commas or spaces."""
        words = text.replace(",", " ").split()
        if not words or not all(word.isdecimal() for word in words):
            raise ValueError(f"--allowed takes levels such as 0,3,15 for image models, got {text!r}")
        return [int(word) for word in words]

    def count(self, plan: Plan) -> int | None:
        if plan.length is None and (plan.output, plan.suffix) == (STANDARD_OUTPUT, ".y4m"):
            return None
        return 1

    def chunk(self, plan: Plan) -> int:
        # one row where rows are shown one by one, else eight, which have less overhead per row
        return 1 if plan.suffix in (".txt", ".y4m") else min(8, self.codec.shape[1])

    def prompt(self) -> tuple[Any, Any]:
        """Return the known pixels of the prompt image, and its file name."""
        path, rows, mask = (self.given[name] for name in ("prompt", "keep_rows", "mask"))
        if path is None:
            if rows is not None or mask is not None:
                raise ValueError("--keep-rows and --mask need --prompt FILE, the image to complete")
            if self.reading() and self.conditions().guide is None:
                raise ValueError(f"--{next(iter(self.reading()))} needs --prompt FILE, the image to complete")
            return None, None
        if rows is None and mask is None and not (is_stream(path) or Path(path).is_file()):
            raise ValueError("--prompt needs --keep-rows or --mask, which select the known pixels")
        from seqgen.data.completion import read_prompt
        from seqgen.data.reading import Reading

        trained = Reading.from_card(self.weights.card)
        with on_disk(path) as image, contextlib.ExitStack() as files:
            known = None if mask is None else files.enter_context(on_disk(mask))
            found = read_prompt(
                image, self.codec, keep_rows=rows, mask=known, trained=trained, **self.reading()
            )
            return found, path

    def reading(self) -> dict[str, Any]:
        """Return the options about the range, ground and size of files that are given."""
        given = {name: self.given[name] for name in ("maximum", "ground", "fit")}
        return {name: value for name, value in given.items() if value is not None and value is not False}

    def condition(self) -> Any:
        """Return the condition: a class by number or name, "each" to cycle through the classes, a vector, or a guide
        image.

        Raises:
            SeqgenError: if the model needs a condition that is not given, or is conditioned on several kinds at once.
            ValueError: if there is no such class; the message lists them.
        """
        text, conditions = self.given["condition"], self.conditions()
        kinds = conditions.kinds
        if len(kinds) > 1:
            raise SeqgenError(f"the model is conditioned on {' and '.join(kinds)}; stream it from Python")
        if kinds == ("class",):
            return class_by_name(text, self.weights.card.get("classes"), conditions.classes or 0)
        if not kinds or text is None:
            # the engine raises the error for a missing or superfluous condition
            return text
        if kinds == ("vector",):
            return vector_of(text)
        from seqgen.codecs import Pixels
        from seqgen.data.completion import read_levels

        assert conditions.guide is not None
        with on_disk(text) as file:
            return read_levels(file, Pixels(conditions.guide, conditions.levels), **self.reading())

    def conditions(self) -> Conditions:
        """Return the kinds of condition that the model takes."""
        from seqgen.conditions.image import Conditions

        config = self.weights.config
        # models composed of several networks have the conditions of the first one
        return Conditions.from_config(config.get("small") or config.get("decoder") or config)

    def endless(self, plan: Plan) -> bool:
        return False

    def amount(self, stats: StreamStats, rate: float) -> str:
        _, rows, columns = self.codec.shape
        return (
            f"{stats.samples:,} image{'s' if stats.samples != 1 else ''}, {stats.symbols * columns:,} pixels, "
            f"{rate / rows:,.1f} images/s, {rate * columns:,.0f} pixels/s"
        )
