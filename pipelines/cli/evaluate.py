"""`seqgen eval`: the score of a model on held-out data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from pipelines.cli.media.image import GROUNDS
from pipelines.escaping import shown_on


@click.command("eval")
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option("--last", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
              help="Score only this last fraction of a text, for example the 0.1 that training holds out.")  # fmt: skip
@click.option("--part", type=click.Choice(["test", "validation", "train", "all"]),
              help="Part of an image or audio data set to score, split as in training.  [default: test]")  # fmt: skip
@click.option("--maximum", type=float,
              help="Number of full intensity of image arrays, for example 1.  [default: from the numbers]")  # fmt: skip
@click.option("--ground", type=click.Choice(GROUNDS),
              help="Ground below transparent pixels of images.  [default: as in training, else black]")  # fmt: skip
@click.option(
    "--fit", is_flag=True, help="Crop, resize and convert images to the size and colours of the model."
)
def command(model: str, data: Path, as_json: bool, last: float, part: str | None, **reading: Any) -> None:
    """Score MODEL (a built-in name or a .safetensors file) on DATA by its exact likelihood.

    DATA has the format of the training data: a UTF-8 text file, a .npy or .npz file of numbers, or the folder of
    digits; for images an IDX file, a folder of IDX or image files, .npy or .npz; for audio a recording or a folder of
    recordings. Of an image or audio data set, only the test part is scored, which training held out. Use --part all
    for a data set that is held out as a whole. Images are read with the settings size, colours and ground of the
    training.

    \b
    Examples:
      seqgen eval shakespeare tinyshakespeare.txt --last 0.1
      seqgen eval mine.safetensors held-out.txt --json
      seqgen eval fashion-pixelcnn fashion-mnist/
    """
    from seqgen.evaluation.held_out import held_out

    def report(done: int, count: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\033[Kscored {done:,} of {count:,}\r", nl=False, err=True)

    if sys.stderr.isatty():
        click.echo("scoring …\r", nl=False, err=True)
    result = held_out(model, data, last=last, part=part, report=report, **reading)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    width = max(map(len, result))
    for name, value in result.items():
        click.echo(shown_on(sys.stdout, f"{name:<{width}}  {_shown(value)}"))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
