"""`seqgen doctor`: report hardware, libraries and extras, which engines work, and why others do not."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def command(as_json: bool) -> None:
    """Report this machine's hardware, libraries and extras, and test every engine on a small model."""
    from seqgen.doctor import examine

    report = examine()
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    for section in ("machine", "libraries", "packages"):
        click.echo(click.style(section, bold=True))
        for name, value in report[section].items():
            click.echo(f"  {name:<16} {value}")
    click.echo(click.style("engines", bold=True))
    for name, entry in report["engines"].items():
        mark = (
            click.style("works", fg="green") if entry["works"] else click.style("does not work", fg="yellow")
        )
        click.echo(f"  {name:<16} {mark}: {entry['why']}")
    click.echo(click.style("extras", bold=True))
    for name, entry in report["extras"].items():
        versions = ", ".join(f"{package} {version}" for package, version in entry["packages"].items())
        said = versions if entry["works"] else click.style(entry["why"], fg="yellow")
        click.echo(f"  {name:<16} {said}")
