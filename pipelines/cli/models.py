"""`seqgen models`: list the built-in models."""

from __future__ import annotations

import json
import shutil
import sys

import click

from pipelines.escaping import shown_on


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of all cards.")
def command(as_json: bool) -> None:
    """List the built-in models with their data and held-out scores."""
    from seqgen.opening import pretrained_models

    models = pretrained_models()
    if as_json:
        click.echo(shown_on(sys.stdout, json.dumps(models, indent=2, ensure_ascii=False)))
        return
    titles = ("name", "family", "parameters", "held-out score", "description")
    rows = [titles] + [
        (
            model["name"],
            model["family"],
            f"{model['parameters']:,}",
            f"{model['score']:.4g} {model['score_unit']}" if "score" in model else "",
            model.get("description", ""),
        )
        for model in models
    ]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for name, kind, parameters, score, description in rows:
        line = f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {parameters:>{widths[2]}}  {score:<{widths[3]}}  "
        line += description
        line = shown_on(sys.stdout, line)
        click.echo(line if columns is None or len(line) <= columns else f"{line[: columns - 1]}…")
    click.echo("\nData, licence, split and training command of each: seqgen models --json", err=True)
