"""Help of a group with many commands: each stands under a heading, and one that does not is not lost."""

from __future__ import annotations

import click
from click.testing import CliRunner

from tallystick.cli.agent import SECTIONS, command
from tallystick.cli.sections import Sections


def test_every_command_about_agents_stands_under_one_heading_and_exists() -> None:
    placed = [name for names in SECTIONS.values() for name in names]
    assert sorted(placed) == sorted(command.commands)


def test_a_command_without_a_heading_is_listed_last() -> None:
    group = Sections("group", sections={"First": ("b", "gone"), "Empty": ()})
    for name in ("a", "b"):
        group.add_command(click.Command(name, help=f"Do {name}."))
    said = CliRunner().invoke(group, ["--help"]).output
    assert [line.strip() for line in said.splitlines()[-5:] if line] == ["First:", "b  Do b.", "Other:", "a  Do a."]
