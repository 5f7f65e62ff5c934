"""`tally chain`: the workspace's chain, its health, and the embedded one over HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.chain.fees import FeeBudget
from tallystick.chain.outbox_rows import Row
from tallystick.cli.door import answers, in_workspace
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.core.amounts import format_amount, parse_amount
from tallystick.core.errors import InvalidInput
from tallystick.store.workspace import FOLDER, Workspace
from tallystick.tally import Tally


@click.group("chain")
def command() -> None:
    """Look at the chain, deploy the contracts, check or serve the embedded one."""


@command.command()
@in_workspace
def status(output: Output, tally: Tally) -> None:
    """Show the head of the chain, the account, and transactions on their way."""
    node, account = tally.node, tally.account.address
    head = node.block()
    value: dict[str, object] = {"chain_id": node.chain_id, "client": node.client_version}
    value |= {"block": head.number, "hash": head.hash.hex(), "time": head.timestamp, "genesis": node.genesis_hash.hex()}
    value |= {"account": account, "balance": format_amount(node.balance(account)), "nonce": node.nonce(account)}
    value |= {"pending": len(tally.outbox.pending())}
    if tally.workspace.is_embedded:
        value["file_bytes"] = Path(tally.workspace.chain_target).stat().st_size
    output.result(value)


@command.command()
@in_workspace
def deploy(output: Output, tally: Tally) -> None:
    """Deploy the contracts that are not on the chain yet; their addresses are the same on every chain.

    A contract that holds money counts in one coin for ever: the native one, or that of the contract that this workspace
    has already. `tally lithic committee deploy` and `tally lithic optimistic deploy` change to another. A token is made
    for a purpose, by `tally chain deploy-token`.
    """
    output.result(tally.deploy())


@command.command("deploy-token")
@click.argument("name")
@click.argument("symbol")
@click.option("--decimals", type=click.IntRange(0, 18), default=6, show_default=True, help="Digits after the point.")
@click.option("--supply", default="1000000", show_default=True, help="How much there is, all of it this account's.")
@in_workspace
def deploy_token(output: Output, tally: Tally, name: str, symbol: str, decimals: int, supply: str) -> None:
    """Make a token of ERC-20 for local use and rewards; the same call again finds it.

    It is this workspace's token from here on: the index follows its transfers, as payments to agents.
    """
    address = tally.deploy_token(name, symbol, decimals, parse_amount(supply, decimals))
    output.result({"token": address, "name": name, "symbol": symbol, "decimals": decimals, "supply": supply}, address)


@command.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@in_workspace
def outbox(output: Output, tally: Tally, limit: int) -> None:
    """List the newest transactions of this account, over or not."""
    rows = tally.outbox.history(limit)
    lines = [(_state(row), "" if row.nonce is None else row.nonce, row.key, row.error_message or "") for row in rows]
    told = {"transactions": [_told(row) for row in rows]}
    output.result(told, table("outbox", ("state", "nonce", "key", "error"), lines))


@command.command()
@click.argument("key")
@click.option("--max-fee", type=click.IntRange(1, 10**9), help="The most that it may cost, in gwei per gas.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@in_workspace
def cancel(output: Output, tally: Tally, key: str, max_fee: int | None, yes: bool) -> None:
    """Take back the transaction KEY that is stuck: offer the chain a transfer of nothing in its place.

    `tally chain outbox` shows the keys. One that is in the chain cannot be taken back. Asking again says how far the
    cancellation has come, and with a larger --max-fee offers more.
    """
    row = tally.outbox.row(key)
    output.confirm(f"Cancel {key!r}, which is {row.state}?", yes)
    wei = None if max_fee is None else max_fee * 10**9
    output.result(_told(tally.outbox.cancel(key, budget=None if wei is None else FeeBudget(wei, wei))))


@command.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--workspace", "-w", type=click.Path(path_type=Path), envvar="TALLY_WORKSPACE", default=Path(FOLDER))
@answers
def fsck(output: Output, file: Path | None, workspace: Path) -> int:
    """Execute every block of an embedded chain again, and check every byte that a record uses."""
    from tallystick.chain.embedded.fsck import fsck as check

    path = file or _chain_file(workspace)
    with output.progress("blocks") as advance:
        done = 0

        def progress(now: int, _: int) -> None:
            nonlocal done
            advance(now - done)
            done = now

        found = check(path, progress)
    value: dict[str, object] = {"file": str(path), "ok": found.ok, "blocks": found.blocks, "replayed": found.replayed}
    value |= {"transactions": found.transactions, "values": found.values, "faults": found.faults}
    counted = f"{found.blocks} blocks, {found.transactions} transactions, {found.values} values: {found.faults} faults"
    output.result({**value, "findings": [str(one) for one in found.findings]}, [*map(str, found.findings), counted])
    return 0 if found.ok else EXIT_FAULTS_FOUND


@command.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8545, show_default=True, help="0 takes any free one.")
@click.option("--allow-origin", "origins", multiple=True, help="Another origin whose web pages may ask, https://….")
@in_workspace
def serve(output: Output, tally: Tally, host: str, port: int, origins: tuple[str, ...]) -> None:
    """Put the embedded chain on loopback over HTTP, for wallets and other tools; stop with Ctrl-C."""
    from tallystick.chain.embedded import EmbeddedProvider
    from tallystick.services.chain_rpc import serve_chain

    def ready(bound: str, real_port: int) -> None:
        output.result({"url": f"http://{bound}:{real_port}", "chain_id": tally.node.chain_id})
        output.flush()

    _chain_file(tally.workspace.path)
    serve_chain(EmbeddedProvider(tally.workspace.chain_target), host, port, ready=ready, origins=origins)


def _told(row: Row) -> dict[str, object]:
    is_cancelling = row.is_being_cancelled and not row.is_over
    facts = {"key": row.key, "state": row.state, "cancelling": is_cancelling, "nonce": row.nonce}
    return {**facts, "error": row.error_message or ""}


def _state(row: Row) -> str:
    return f"{row.state}, being cancelled" if row.is_being_cancelled and not row.is_over else row.state


def _chain_file(workspace: Path) -> Path:
    """Return the embedded chain's file; raises InvalidInput "cli.chain" when the workspace has another chain."""
    opened = Workspace.open(workspace)
    if not opened.is_embedded:
        raise InvalidInput("cli.chain", "this workspace's chain is not embedded", hint="name a chain file instead")
    return Path(opened.chain_target)
