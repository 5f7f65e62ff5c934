"""`tally key`: the keys of a workspace, encrypted at rest."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tallystick.cli.door import PASSPHRASE_FILE, ask_passphrase, in_workspace, standard_input
from tallystick.cli.output import Output, table
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KEYSTORE_BYTES_MAX
from tallystick.store.files import read_bounded
from tallystick.store.keys import KeyInfo, PassphrasePort
from tallystick.tally import Tally


@click.group("key")
def command() -> None:
    """Make, import and list keys: accounts sign transactions, signers sign statements and checkpoints."""


@command.command("new")
@click.argument("name")
@click.option("--signer", is_flag=True, help="An Ed25519 signer instead of an account.")
@in_workspace
def new(output: Output, tally: Tally, name: str, signer: bool) -> None:
    """Make the key NAME."""
    keys = tally.workspace.keyring
    _show(output, (keys.create_signer if signer else keys.create_account)(name, asked_twice(ask_passphrase)))


@command.command("import")
@click.argument("name")
@click.argument("keystore", type=click.Path(path_type=Path))
@in_workspace
def import_(output: Output, tally: Tally, name: str, keystore: Path) -> None:
    """Keep the account in the v3 file KEYSTORE of another wallet as NAME; `-` reads standard input."""
    if str(keystore) == "-":
        document = standard_input().read(KEYSTORE_BYTES_MAX + 1)
    else:
        document = read_bounded(keystore, KEYSTORE_BYTES_MAX)
    _show(output, tally.workspace.keyring.import_keystore(name, document, ask_passphrase))


@command.command("show")
@click.argument("name")
@in_workspace
def show(output: Output, tally: Tally, name: str) -> None:
    """Show what others know the account NAME by; on the embedded chain a development key is made at need."""
    known = next((key for key in tally.workspace.keyring.list() if key.name == name), None)
    _show(output, known or KeyInfo(name, "secp256k1", tally.secret(name).address))


@command.command("list")
@in_workspace
def list_(output: Output, tally: Tally) -> None:
    """List the keys, without opening any."""
    keys = tally.workspace.keyring.list()
    rows = [(key.name, key.kind, key.public, "development" if key.development else "") for key in keys]
    output.result({"keys": [vars(key) for key in keys]}, table("keys", ("name", "kind", "public", ""), rows))


def asked_twice(ask: PassphrasePort) -> PassphrasePort:
    """Return `ask`, but a passphrase that is typed is typed twice: a slip would lock the key away for ever."""

    def ask_new(name: str) -> str:
        entered = ask(name)
        if not os.environ.get(PASSPHRASE_FILE) and entered != ask(f"{name}, again"):
            raise InvalidInput("cli.passphrase", "the two passphrases differ", hint="try again; no key was made")
        return entered

    return ask_new


def _show(output: Output, key: KeyInfo) -> None:
    output.result({"name": key.name, "kind": key.kind, "public": key.public})
