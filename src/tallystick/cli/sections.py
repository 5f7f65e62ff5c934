"""A group of commands whose help puts them under headings, so that many of them stay readable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click


class Sections(click.Group):
    """A group with `sections`: heading to names of commands, in the order in which they are read.

    A command that stands under no heading is listed after them.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.sections = sections

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings."""
        placed = {name for names in self.sections.values() for name in names}
        rest = [name for name in self.list_commands(ctx) if name not in placed]
        for heading, names in {**self.sections, "Other": rest}.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, one.get_short_help_str(formatter.width)) for name, one in found if one is not None]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
