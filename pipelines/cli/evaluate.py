"""`seqgen eval`: how well a model predicts held-out data."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


@click.command("eval")
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@click.option("--last", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
              help="Score only this last fraction of a text, such as the tenth that training held out.")  # fmt: skip
def command(model: str, data: Path, as_json: bool, last: float) -> None:
    """Score MODEL (a built-in name or a .safetensors file) on DATA by its exact likelihood.

    \b
    DATA is what the model was trained on: a UTF-8 text, a .npy or .npz file of numbers, or the folder of digits.
    Examples:
      seqgen eval shakespeare tinyshakespeare.txt --last 0.1
      seqgen eval mine.safetensors held-out.txt --json
    """
    from seqgen.evaluation.held_out import held_out

    if sys.stderr.isatty():
        click.echo("scoring …\r", nl=False, err=True)
    result = held_out(model, data, last=last)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    width = max(map(len, result))
    for name, value in result.items():
        shown = (
            f"{value:,.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
        )
        click.echo(f"{name:<{width}}  {shown}")
