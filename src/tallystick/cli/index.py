"""`tally index`: contract events as tables, for lists and searches; it proves nothing and may be deleted any time."""

from __future__ import annotations

import click

from tallystick.cli.door import in_workspace
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.index import SyncReport
from tallystick.tally import Tally


@click.group("index")
def command() -> None:
    """Keep contract events in a local database that follows the chain through reorganisations."""


@command.command()
@in_workspace
def sync(output: Output, tally: Tally) -> None:
    """Bring the index to the newest block."""
    output.result(_counts(tally.index.sync()))


@command.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@in_workspace
def rebuild(output: Output, tally: Tally, yes: bool) -> None:
    """Forget everything and read the chain anew."""
    output.confirm("Forget the index and read the chain anew?", yes)
    output.result(_counts(tally.index.rebuild()))


@command.command()
@in_workspace
def verify(output: Output, tally: Tally) -> int:
    """Compare the index with one that is built afresh."""
    report = tally.index.verify()
    output.report(report, {})
    return 0 if report.ok else EXIT_FAULTS_FOUND


@command.command()
@click.argument("sql")
@in_workspace
def query(output: Output, tally: Tally, sql: str) -> None:
    """Answer one SELECT over the index, such as `SELECT * FROM models_now`."""
    rows = [{name: _plain(value) for name, value in row.items()} for row in tally.index.query(sql)]
    output.result(
        {"rows": rows}, table(f"{len(rows)} rows", rows[0] if rows else (), [[*row.values()] for row in rows])
    )


def _counts(report: SyncReport) -> dict[str, object]:
    reached = None if report.cursor is None else report.cursor.number
    value: dict[str, object] = {"block": reached, "blocks": report.blocks, "logs": report.logs, "rows": report.rows}
    return {**value, "reorgs": report.reorgs, "undone": report.undone}


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
