"""Command help in sections: options grouped under titles, followed by tables."""

from __future__ import annotations

from typing import Any

import click


class SectionOption(click.Option):
    """An option that `--help` lists in the section `section`."""

    def __init__(self, *arguments: Any, section: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.section = section


class SectionCommand(click.Command):
    """A command whose help groups the options by section, in order of first appearance.

    Args:
        tables: (title, rows of two columns), printed after the options.
    """

    def __init__(
        self, *arguments: Any, tables: tuple[tuple[str, list[tuple[str, str]]], ...] = (), **settings: Any
    ) -> None:
        super().__init__(*arguments, **settings)
        self.tables = tables

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        # --help has no section and comes last
        for option in sorted(options, key=lambda option: not isinstance(option, SectionOption)):
            record = option.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(option, "section", "Options"), []).append(record)
        for title, rows in (*sections.items(), *self.tables):
            with formatter.section(title):
                formatter.write_dl(rows)
