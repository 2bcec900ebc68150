"""`seqgen models`: the built-in models."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON list with every card in full.")
def command(as_json: bool) -> None:
    """List the built-in models with their data and held-out scores."""
    from seqgen.opening import pretrained_models

    models = pretrained_models()
    if as_json:
        click.echo(json.dumps(models, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "family", "parameters", "score", "data", "licence", box=None, pad_edge=False)
    for model in models:
        score = f"{model['score']:.4g} {model['score_unit']}" if "score" in model else ""
        table.add_row(
            model["name"], model["family"], f"{model['parameters']:,}", score,
            str(model.get("data", "")), str(model.get("licence", "")),
        )  # fmt: skip
    Console().print(table)
