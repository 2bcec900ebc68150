"""`seqgen train`: models from the user's own files."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from seqgen.training.recipes import RECIPES


@click.command()
@click.argument("family", type=click.Choice(list(RECIPES)), metavar="FAMILY")
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The .safetensors file to write."
)
@click.option(
    "--preset",
    default="default",
    show_default=True,
    help="A named group of settings (char-rnn: tiny, shakespeare; images: tiny, digits, …; wavenet: tiny, "
    "speech, vocoder).",
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting. May be repeated.")
@click.option(
    "--resume", is_flag=True, help="Go on from the state that an interrupted run left beside the output."
)
def command(
    family: str, data: Path | None, output: Path, preset: str, settings: tuple[str, ...], resume: bool
) -> None:
    """Train FAMILY on DATA and write a checkpoint, with its card, that streams like a built-in model.

    The file appears when training is done. While a char-rnn, a wavenet or an image model trains, its state is kept
    beside the output every 100 steps; after an interruption the same command with --resume goes on exactly where it
    stood.

    \b
    Families and recipes:
      char-rnn            characters of a text file: tanh, GRU or LSTM
      markov              a text file; --set unit=words --set order=2 --set sequences=lines
      hmm                 sequences in .npy or .npz; --set states=8 --set emission=gaussian
      gaussian-mixture    vectors in .npy or .npz; --set components=8
      rnade               vectors in .npy or .npz; --set hidden_size=50 --set components=10; preset tiny
      pixel-cnn           images: an IDX file or a folder of such (MNIST), a folder of image files of one size
                          (sub-folders are classes), .npy or .npz; --set levels=4 --set conditional=true;
                          presets tiny, digits, fashion
      fvsbn, nade, eonade, pixel-rnn, pixel-cnn-pp, two-scale, pixel-cnn-autoencoder, autoencoder
                          images as for pixel-cnn
      wavenet             a file or folder of sound: .wav, .flac, .ogg, .mp3 (sub-folders may be classes, with
                          --set conditional=true); --set sample_rate=16000 --set preview_seconds=4;
                          presets tiny, speech, vocoder (sound from mel features)
      shakespeare-markov, weather, digit-strokes    the built-in models again
    \b
    With --set start=MODEL, a file or built-in name, training begins with that model's parameters (fine-tuning);
    architecture and symbols must be the same.
    \b
    Examples:
      seqgen train char-rnn my.txt -o mine.safetensors
      seqgen train char-rnn my.txt -o mine.safetensors --set cell=gru --set hidden_size=128 --set steps=2000
      seqgen train pixel-cnn mnist/ -o digits.safetensors --preset digits
      seqgen train wavenet recordings/ -o voice.safetensors --preset speech
      seqgen train wavenet more/ -o mine.safetensors --preset speech --set start=voice.safetensors
      seqgen stream mine.safetensors
    """
    recipe = RECIPES[family]
    if data is None and recipe.needs_data:
        raise click.UsageError(f"{family} needs DATA: {recipe.data}")
    if resume and not recipe.resumable:
        raise click.UsageError(f"{family} trains in one go and cannot be resumed")
    if preset != "default" and not recipe.resumable:
        raise click.UsageError(f"{family} has no presets, only --set")
    chosen = dict(_pair(text) for text in settings)
    try:
        with _Report() as report:
            card = recipe.run(data, output, preset=preset, settings=chosen, resume=resume, report=report.step)
    except KeyboardInterrupt:
        if recipe.resumable:
            click.echo(
                "interrupted; the same command with --resume goes on from the last saved state", err=True
            )
        raise
    score = f", held out {card['score']:.4g} {card['score_unit']}" if "score" in card else ""
    click.echo(f"wrote {output}{score}", err=True)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--set takes KEY=VALUE, got {text!r}")
    return name.replace("-", "_"), value


class _Report:
    """A progress bar on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._printed = time.monotonic()
        self._score: float | None = None

    def __enter__(self) -> _Report:
        return self

    def step(self, step: int, steps: int, loss: float, score: float | None) -> None:
        self._score = score if score is not None else self._score
        held_out = "" if self._score is None else f", held out {self._score:.4f}"
        text = f"loss {loss:.4f}{held_out}"
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
