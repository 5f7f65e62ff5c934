"""`tally log`: Merkle logs that only grow, their checkpoints on chain, and receipts that anyone can check offline."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.door import answers, in_workspace, standard_input
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.core.digest import sha256_hex
from tallystick.core.documents import decimal
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import ENTRY_BYTES_MAX, NOTE_BYTES_MAX, TREE_SIZE_MAX
from tallystick.core.note import VerifierKey
from tallystick.core.receipt import TLOG_PROOF, Receipt
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally
from tallystick.tally.inference import LOG

RECEIPT_BYTES_MAX = 2 * (ENTRY_BYTES_MAX + NOTE_BYTES_MAX)

log_option = click.option("--log", "name", default=LOG, show_default=True, help="Which log of the workspace.")


@click.group("log")
def command() -> None:
    """Write logs, anchor them on chain, and prove what is in them."""


@command.command("open")
@log_option
@click.option("--origin", help="The log's name for the world: a URL without its scheme.")
@click.option("--no-bodies", is_flag=True, help="Keep no requests and answers beside the entries.")
@click.option("--volatile", is_flag=True, help="Accept a file system in memory, which a power cut empties.")
@in_workspace
def open_(output: Output, tally: Tally, name: str, origin: str | None, no_bodies: bool, volatile: bool) -> None:
    """Make a log and bind it to its keys on chain."""
    info = tally.inference.open(name, origin, bodies=not no_bodies, volatile=volatile)
    output.result({**vars(info), "vkey": str(tally.inference.verifier_key(name)), "contract": tally.inference.address})


@command.command("list")
@in_workspace
def list_(output: Output, tally: Tally) -> None:
    """List the logs of this workspace."""
    logs = tally.inference.list()
    rows = [(log.name, log.log_id, log.origin, log.size) for log in logs]
    output.result({"logs": [vars(log) for log in logs]}, table("logs", ("name", "id", "origin", "entries"), rows))


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@log_option
@in_workspace
def append(output: Output, tally: Tally, files: tuple[Path, ...], name: str) -> None:
    """Append each of FILES as one entry, sign a checkpoint; `-` reads entries from standard input, one a line."""
    indices = tally.inference.append([entry for file in files for entry in _entries(file)], name)
    output.result({"log": name, "first": indices.start, "count": len(indices), "size": indices.stop})


@command.command()
@log_option
@in_workspace
def anchor(output: Output, tally: Tally, name: str) -> None:
    """Put the log's latest checkpoint on chain; the contract checks that the log only grew."""
    reader = tally.inference.reader(name)
    output.result(dict(tally.inference.anchorer(name)(reader.checkpoint() or b"")))


@command.command()
@click.argument("index")
@log_option
@click.option("--out", type=click.Path(path_type=Path), help="Write the receipt to this file.")
@click.option("--tlog-proof", is_flag=True, help="In C2SP's form, which leaves the entry out.")
@in_workspace
def prove(output: Output, tally: Tally, index: str, name: str, out: Path | None, tlog_proof: bool) -> None:
    """Make the receipt of entry INDEX, to be checked offline with `tally log verify`."""
    receipt = tally.inference.receipt(decimal(index, "index", TREE_SIZE_MAX), name)
    data = receipt.to_tlog_proof() if tlog_proof else receipt.to_bytes()
    if out is not None:
        write_atomic(out, data)
    value = {"log": name, "index": receipt.index, "vkey": str(tally.inference.verifier_key(name))}
    output.result({**value, "receipt": str(out) if out else data.decode()}, None if out else data.decode())


@command.command()
@click.argument("receipt", type=click.Path(path_type=Path))
@click.option("--vkey", required=True, help="The log's key: name+id+base64, taken from the chain.")
@click.option("--entry", type=click.Path(path_type=Path), help="The entry, where the receipt is a .tlog-proof.")
@answers
def verify(output: Output, receipt: Path, vkey: str, entry: Path | None) -> None:
    """Check RECEIPT offline: that the entry is in the log whose checkpoint the key signed."""
    data = read_bounded(receipt, RECEIPT_BYTES_MAX)
    if data.startswith(TLOG_PROOF.encode()):
        if entry is None:
            raise click.UsageError("A .tlog-proof leaves the entry out: say where it is with --entry.")
        found = Receipt.from_tlog_proof(data, read_bounded(entry, ENTRY_BYTES_MAX))
    else:
        found = Receipt.from_bytes(data)
    head = found.verify([VerifierKey.parse(vkey)])
    value = {"verified": True, "origin": head.origin, "index": found.index, "size": head.size, "root": head.root.hex()}
    output.result({**value, "entry_sha256": sha256_hex(found.entry)})


@command.command()
@log_option
@click.option("--bodies", is_flag=True, help="Publish requests and answers too, in the clear.")
@click.option("--yes", is_flag=True, help="Do not ask before publishing bodies.")
@in_workspace
def export(output: Output, tally: Tally, name: str, bodies: bool, yes: bool) -> None:
    """Publish the log in the blob store as C2SP tiles, and its anchors beside them."""
    if bodies:
        output.confirm("Publish every request and answer in the clear?", yes)
    output.result(vars(tally.inference.export(name, bodies=bodies)))


@command.command()
@log_option
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@in_workspace
def check(output: Output, tally: Tally, name: str, verbose: bool) -> int:
    """Audit what is published of the log, from chain and blob store alone; `fsck` looks at our own files."""
    found = tally.inference.verify(name)
    value = {"log": name, "origin": found.origin, "size": found.size, "anchored_size": found.anchored_size}
    output.report(found.report, value, verbose)
    return 0 if found.report.ok else EXIT_FAULTS_FOUND


@command.command("rotate-key")
@click.argument("key_name")
@log_option
@in_workspace
def rotate_key(output: Output, tally: Tally, key_name: str, name: str) -> None:
    """Sign checkpoints with the signer KEY_NAME from here on; stop whoever writes first, and anchor soon after."""
    index = tally.inference.rotate_key(key_name, name)
    output.result({"log": name, "key_index": index, "vkey": str(tally.inference.verifier_key(name))})


@command.command("rotate-tickets")
@click.argument("key_name")
@log_option
@in_workspace
def rotate_tickets(output: Output, tally: Tally, key_name: str, name: str) -> None:
    """Sign tickets with the account KEY_NAME from here on; restart what serves, and never go back to a former one."""
    index = tally.inference.rotate_ticket_signer(key_name, name)
    output.result({"log": name, "term": index, "ticket_signer": tally.inference.state(name).ticket_signer})


@command.command()
@log_option
@click.option("--successor", default="0", help="Id of the log that goes on in its place.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@in_workspace
def retire(output: Output, tally: Tally, name: str, successor: str, yes: bool) -> None:
    """End the log on chain for good: nothing of it is anchored any more. What it proved stays proved."""
    next_id = decimal(successor, "successor")
    output.confirm(f"End the log {name} for good?", yes)
    tally.inference.retire(name, next_id)
    output.result({"log": name, "retired": True, "successor": str(next_id)})


@command.command()
@log_option
@in_workspace
def stats(output: Output, tally: Tally, name: str) -> None:
    """Show sizes: entries, files, last checkpoint, last anchor."""
    reader, state = tally.inference.reader(name), tally.inference.state(name)
    value: dict[str, object] = {"log": name, **reader.stats(), "checkpoints": len(reader.checkpoints())}
    value |= {"anchored_size": state.size, "anchored_root": state.root.hex(), "anchored_at": state.anchored_at}
    output.result({**value, "retired": state.retired, "successor": str(state.successor)})


@command.command()
@log_option
@click.option("--offline", is_flag=True, help="Do not ask the chain for the log's keys: signatures are not checked.")
@click.option("--verbose", "-v", is_flag=True, help="Show the checks that held, too.")
@in_workspace
def fsck(output: Output, tally: Tally, name: str, offline: bool, verbose: bool) -> int:
    """Derive the whole log again from its write-ahead log and name every damaged file; may run beside the writer."""
    report = tally.inference.fsck(name, is_offline=offline)
    output.report(report, {"log": name, "ok": report.ok}, verbose)
    return 0 if report.ok else EXIT_FAULTS_FOUND


def _entries(file: Path) -> list[bytes]:
    if str(file) != "-":
        return [read_bounded(file, ENTRY_BYTES_MAX)]
    lines = []
    while line := standard_input().readline(ENTRY_BYTES_MAX + 2):
        lines.append(line.removesuffix(b"\n"))
        if len(lines[-1]) > ENTRY_BYTES_MAX:
            raise InvalidInput(
                "log.entry_size", f"line {len(lines)} is too long for an entry", expected=f"≤ {ENTRY_BYTES_MAX} bytes"
            )
    return lines
