"""`seqgen train`: train models on the user's files."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from seqgen.registry import BUILT_IN_RECIPES, FAMILIES, recipe


class _Help(click.Command):
    """A command whose help lists the families of the registry."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in (("Families", list(FAMILIES)), ("Built-in models", list(BUILT_IN_RECIPES))):
            with formatter.section(title):
                formatter.write_dl([(name, _described(name)) for name in names], col_max=24)


def _described(name: str) -> str:
    """The family, data, presets and example settings of a recipe."""
    found = recipe(name)
    parts = [FAMILIES[name].help] if name in FAMILIES else []
    parts += [f"from {found.data}" if found.needs_data else "needs no data"]
    if found.presets:
        parts.append("presets " + ", ".join(preset for preset in found.presets if preset != "default"))
    return "; ".join([*parts, *([found.example] if found.example else [])])


@click.command(cls=_Help)
@click.argument("family", type=click.Choice([*FAMILIES, *BUILT_IN_RECIPES]), metavar="FAMILY")
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The .safetensors file to write."
)
@click.option("--preset", default="default", show_default=True, help="Named group of settings, see below.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting. May be repeated.")
@click.option(
    "--resume", is_flag=True, help="Continue from the state that an interrupted run saved next to the output."
)
def command(
    family: str, data: Path | None, output: Path, preset: str, settings: tuple[str, ...], resume: bool
) -> None:
    """Train FAMILY on DATA and write a checkpoint with its card.

    The checkpoint is written when training is done. A network's training state is saved next to the output every 100
    steps and when it is interrupted; the same command with --resume then continues exactly. An unknown setting raises
    an error that lists the settings.

    A data set of images is an IDX file or a folder of IDX files (MNIST), a folder of image files of one size with a
    sub-folder per class, or a .npy or .npz file. Recordings may also have a sub-folder per class (--set
    conditional=true).

    --set start=MODEL, a file or a built-in name, fine-tunes that model; architecture and symbols must be the same.

    \b
    Examples:
      seqgen train char-rnn my.txt -o mine.safetensors
      seqgen train char-rnn my.txt -o mine.safetensors --set cell=gru --set hidden_size=128 --set steps=2000
      seqgen train pixel-cnn mnist/ -o digits.safetensors --preset digits
      seqgen train wavenet recordings/ -o voice.safetensors --preset speech
      seqgen train wavenet more/ -o mine.safetensors --preset speech --set start=voice.safetensors
      seqgen stream mine.safetensors
    """
    found = recipe(family)
    if data is None and found.needs_data:
        raise click.UsageError(f"{family} needs DATA: {found.data}")
    if resume and not found.resumable:
        raise click.UsageError(f"{family} is not trained in steps and cannot be resumed")
    chosen = dict(_pair(text) for text in settings)
    try:
        with _Report() as report:
            card = found.train(
                data, output, preset=preset, settings=chosen, resume=resume, report=report.step,
                announce=report.measure_in,
            ).card  # fmt: skip
    except KeyboardInterrupt:
        state = output.with_suffix(".training.safetensors")
        if found.resumable and state.exists():
            click.echo(f"interrupted; the same command with --resume continues from {state}", err=True)
        elif found.resumable:
            click.echo("interrupted before the first step; there is no state to resume from", err=True)
        raise
    score = f", held out {card['score']:.4g} {card['score_unit']}" if "score" in card else ""
    click.echo(f"wrote {output}{score}", err=True)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--set takes KEY=VALUE, got {text!r}")
    return name.replace("-", "_"), value


class _Report:
    """A progress bar on a terminal, an occasional line elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._printed = time.monotonic()
        self._score: float | None = None
        self._unit = ""

    def measure_in(self, unit: str) -> None:
        """Show losses and scores with this unit."""
        self._unit = f" {unit}" if unit else ""

    def __enter__(self) -> _Report:
        return self

    def step(self, step: int, steps: int, loss: float, score: float | None) -> None:
        self._score = score if score is not None else self._score
        held_out = "" if self._score is None else f", held out {self._score:.4f}"
        text = f"loss {loss:.4f}{held_out}{self._unit}"
        if sys.stderr.isatty():
            self._show(step, steps, text)
        elif score is not None or time.monotonic() - self._printed > 30 or step == steps:
            self._printed = time.monotonic()
            click.echo(f"step {step}/{steps}: {text}", err=True)

    def _show(self, step: int, steps: int, text: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"),
                console=Console(stderr=True),
            )  # fmt: skip
            self._bar.start()
            self._task = self._bar.add_task(text, total=steps)
        self._bar.update(self._task, completed=step, description=text)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()
