"""`tally init`: make a workspace."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.door import answers, ask_passphrase
from tallystick.cli.output import Output
from tallystick.store.blobs import BlobStore
from tallystick.store.workspace import EMBEDDED, EMBEDDED_CHAIN_ID, FOLDER, Config, Workspace
from tallystick.tally import Tally


@click.command("init", short_help="Make a workspace, with the contracts on its chain")
@click.argument("path", type=click.Path(path_type=Path), default=Path(FOLDER))
@click.option("--chain", "target", default=EMBEDDED, show_default=True, help="`embedded`, or the URL of an EVM node.")
@click.option("--chain-id", type=int, help="The chain id the node must have; asked of the node when left out.")
@click.option("--blobs", default="blobs", show_default=True, help="Where evidence is kept: a folder or an fsspec URL.")
@answers
def command(output: Output, path: Path, target: str, chain_id: int | None, blobs: str) -> None:
    """Make a workspace in PATH, with the contracts deployed on its chain where that costs nothing."""
    if target != EMBEDDED and chain_id is None:
        chain_id = Tally.chain_id_of(target)
    BlobStore(blobs, base=path)  # a place that nothing can write to is refused before anything is made
    workspace = Workspace.create(path, Config(target, chain_id or EMBEDDED_CHAIN_ID, blobs))
    value: dict[str, object] = {"workspace": str(path), "chain_id": workspace.config.chain_id, "blobs": blobs}
    if workspace.is_embedded:
        with Tally.open(path, ask_passphrase) as tally:
            output.note("chain: embedded; a local development key was made, which is refused anywhere else")
            value |= {"account": tally.account.address, "contracts": tally.deploy()}
    output.result(value)
