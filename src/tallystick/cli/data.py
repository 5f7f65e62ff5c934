"""`tally data`: data logs. Rows are added in order under fresh salts; what a version binds is the root over them."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.door import answers
from tallystick.cli.output import Output
from tallystick.core.documents import decimal
from tallystick.models.dataset import Dataset, create, open_dataset
from tallystick.models.rows import rows_of_csv


@click.group("data")
def command() -> None:
    """Keep training data as a log that only grows, so that it can be shown what was added and nothing was taken."""


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("csv", type=click.Path(path_type=Path))
@answers
def new(output: Output, folder: Path, csv: Path) -> None:
    """Make a data set in FOLDER from the rows of CSV, whose first line names the columns."""
    columns, rows = rows_of_csv(csv)
    _show(output, create(folder, columns).append(rows))


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("csv", type=click.Path(path_type=Path))
@answers
def append(output: Output, folder: Path, csv: Path) -> None:
    """Add the rows of CSV to the data set in FOLDER."""
    _, rows = rows_of_csv(csv)
    _show(output, open_dataset(folder).append(rows))


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@answers
def show(output: Output, folder: Path) -> None:
    """Show the size and root of the data set in FOLDER."""
    _show(output, open_dataset(folder))


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("row")
@answers
def prove(output: Output, folder: Path, row: str) -> None:
    """Show that row number ROW (from 0) is in the data set; the proof shows the row."""
    proof = open_dataset(folder).row_proof(decimal(row, "row", 2**53 - 1))
    output.result({"proof": proof.to_bytes().decode()})


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("into", type=click.Path(path_type=Path))
@click.option("--row", "rows", multiple=True, required=True, help="A row number to leave out; may be given again.")
@click.option("--reason", required=True, help="Why the rows leave; it stays in the new data set.")
@answers
def restart(output: Output, folder: Path, into: Path, rows: tuple[str, ...], reason: str) -> None:
    """Make a data set in INTO from FOLDER without some rows; it names the old log and the reason."""
    leave_out = {decimal(row, "row", 2**53 - 1) for row in rows}
    _show(output, open_dataset(folder).restart(into, leave_out, reason))


def _show(output: Output, data: Dataset) -> None:
    output.result({"folder": str(data.folder), "rows": data.size, "root": data.root.hex()})
