"""`tally data`: data logs. Rows are added in order under fresh salts; what a version binds is the root over them."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.door import answers
from tallystick.cli.output import Output
from tallystick.core.canonical import parse
from tallystick.core.digest import parse_hex32
from tallystick.core.documents import decimal
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CANONICAL_BYTES_MAX
from tallystick.models.dataset import Dataset, create, open_dataset
from tallystick.models.rows import RowProof, rows_of_csv
from tallystick.store.files import read_bounded


@click.group("data", short_help="Keep training data as a log that only grows")
def command() -> None:
    """Keep training data as a log that only grows, so that it can be shown what was added and nothing was taken."""


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("csv", type=click.Path(path_type=Path))
@answers
def new(output: Output, folder: Path, csv: Path) -> None:
    """Make a data set in FOLDER from the rows of CSV, whose first line names the columns."""
    columns, rows = rows_of_csv(csv)
    if not rows:  # before the folder is made, so that the same call can be made again
        raise InvalidInput("csv.empty", f"{csv} has no row", hint="its first line names the columns, the rest are rows")
    _show(output, create(folder, columns).append(rows))


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("csv", type=click.Path(path_type=Path))
@answers
def append(output: Output, folder: Path, csv: Path) -> None:
    """Add the rows of CSV, whose first line names the same columns, to the data set in FOLDER."""
    columns, rows = rows_of_csv(csv)
    data = open_dataset(folder)
    if data.document.columns and columns != data.document.columns:
        raise InvalidInput(
            "csv.columns", f"{csv} has other columns than the data set, or in another order",
            expected=", ".join(data.document.columns)[:400], got=ascii(", ".join(columns))[1:-1][:400],
            hint="put its columns in that order; rows can never be changed once they are in",
        )  # fmt: skip
    _show(output, data.append(rows))


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
@click.argument("proof", type=click.Path(path_type=Path))
@click.argument("rows")
@click.argument("root")
@answers
def verify(output: Output, proof: Path, rows: str, root: str) -> None:
    """Check what `tally data prove` gave: the row in the file PROOF is in the data set of so many ROWS under ROOT."""
    found = RowProof.from_bytes(_read_proof(proof))
    found.verify(decimal(rows, "rows", 2**53 - 1), parse_hex32(root, "root"))
    output.result({"index": found.index, "row": found.row.decode()})


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


def _read_proof(path: Path) -> bytes:
    """Return the proof in a file: alone, or as `tally data prove --json` prints it."""
    data = read_bounded(path, CANONICAL_BYTES_MAX).strip()
    try:
        found = parse(data, str(path))
    except InvalidInput:
        return data
    printed = found.get("proof") if isinstance(found, dict) else None
    return printed.encode() if isinstance(printed, str) else data


def _show(output: Output, data: Dataset) -> None:
    output.result({"folder": str(data.folder), "rows": data.size, "root": data.root.hex()})
