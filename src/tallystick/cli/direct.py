"""`tally lithic direct`: a kernel asked on the chain, in one transaction, for a receipt that can be shown."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.assurance_door import at, to_request_id
from tallystick.cli.kernel_inputs import checked_kernel, row_input, row_options
from tallystick.cli.output import Output
from tallystick.cli.receipts import give_receipt, out_option, receipt_facts

if TYPE_CHECKING:
    from tallystick.tally.lithic.direct import DirectDesk

_FILE = click.Path(path_type=Path)


@click.group("direct")
def direct() -> None:
    """Ask a deployed kernel on the chain for an answer with a receipt, as contracts of any mode give.

    REQUEST is the id of a request, or `last` for this account's newest.
    """


@direct.command()
@click.argument("kernel", type=_FILE)
@row_options
@click.option("--key", help="Tells this request from others for the same answer; asking again with it asks once.")
@click.option("--passing", is_flag=True, help="Keep nothing on the chain: the answer is gone with the transaction.")
@at("direct")
def ask(
    output: Output,
    desk: DirectDesk,
    kernel: Path,
    row: str,
    integers: bool,
    clip: bool,
    key: str | None,
    passing: bool,
) -> None:
    """Ask KERNEL, deployed before, what it answers to an input; it is final at once."""
    made = checked_kernel(output, kernel)
    key = key or secrets.token_hex(8)
    found = desk.ask(made, row_input(made, row, integers, clip), key=key, is_kept=not passing)
    answered = desk.receipt(made, found)
    shown = ", ".join(map(str, answered.answer.output))
    output.result({"key": key, **receipt_facts(answered)}, [f"request  {found.hex()}", f"answer   {shown}"])


@direct.command()
@click.argument("kernel", type=_FILE)
@click.argument("request")
@out_option
@at("direct")
def receipt(output: Output, desk: DirectDesk, kernel: Path, request: str, out: Path | None) -> None:
    """Make the receipt of the answer to REQUEST, to be rechecked with `tally lithic verify`."""
    give_receipt(output, desk.receipt(checked_kernel(output, kernel), to_request_id(request, desk)), out)
