"""`tally lithic verify` and what the `receipt` commands share: the receipt of an answer, written and rechecked."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.assurance_door import advised
from tallystick.cli.door import answers, ask_passphrase, reading, workspace_option
from tallystick.cli.kernel_inputs import read_artifact
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CANONICAL_BYTES_MAX
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.chain.node import Node
    from tallystick.lithic.receipts.receipt import AnswerReceipt

out_option = click.option("--out", type=click.Path(path_type=Path), help="Write the receipt to this file.")


@click.command("verify", short_help="Recheck the receipt of an answer")
@click.argument("receipt", type=click.Path(path_type=Path))
@click.option("--kernel", type=click.Path(path_type=Path), help="The model's kernel; a committee's answer needs none.")
@click.option(
    "--offline", is_flag=True, help="Ask no chain: the answer is right, but nothing says that it was settled."
)
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@workspace_option
@answers
def verify(output: Output, receipt: Path, kernel: Path | None, offline: bool, verbose: bool, workspace: Path) -> int:
    """Recheck RECEIPT, of any mode: that its answer is right, and that the chain settled it.

    The kernel is compiled again, the input computed again, signatures recovered and votes counted again; the chain is
    asked whether the contract holds this answer for this consumer, and whether its code is ours.
    """
    from tallystick.lithic.receipts.checking import check_receipt
    from tallystick.lithic.receipts.receipt import AnswerReceipt

    data = read_bounded(receipt, CANONICAL_BYTES_MAX)
    with reading(receipt, "name the file that a `receipt` command wrote with --out, unchanged"):
        found = AnswerReceipt.from_bytes(data)
    made = None
    if kernel is not None:
        output.note(f"checking {kernel.name}")
        made = read_artifact(kernel).require()
    with advised(), contextlib.ExitStack() as stack:
        node = None if offline else _node_of(found, stack.enter_context(Tally.open(workspace, ask_passphrase)))
        report = check_receipt(found, kernel=made, node=node)
    output.report(report, {"receipt": str(receipt), **receipt_facts(found)}, verbose)
    return 0 if report.ok else EXIT_FAULTS_FOUND


def receipt_facts(receipt: AnswerReceipt) -> dict[str, object]:
    """Return what a receipt says, fit for JSON; the cost is in the smallest unit of the contract's coin."""
    answer = receipt.answer
    return {
        "mode": answer.mode.name.lower(),
        "request": answer.request_id.hex(),
        "consumer": answer.consumer,
        "model_digest": answer.model_digest.hex(),
        "output": [str(number) for number in answer.output],
        "cost": str(answer.cost),
        "chain_id": receipt.chain_id,
        "contract": receipt.contract,
    }


def give_receipt(output: Output, receipt: AnswerReceipt, out: Path | None) -> None:
    """Write a receipt to a file, or print it."""
    data = receipt.to_bytes()
    if out is not None:
        write_atomic(out, data)
    value = {**receipt_facts(receipt), "receipt": str(out) if out else data.decode()}
    output.result(value, f"receipt written to {out}" if out else data.decode())


def _node_of(receipt: AnswerReceipt, tally: Tally) -> Node:
    """Return the workspace's chain if it is the receipt's; raises InvalidInput "receipt.chain"."""
    if receipt.chain_id != tally.node.chain_id:
        raise InvalidInput(
            "receipt.chain", "the receipt is of another chain than this workspace", expected=tally.node.chain_id,
            got=receipt.chain_id, hint="verify it in a workspace on that chain; --offline asks no chain",
        )  # fmt: skip
    return tally.node
