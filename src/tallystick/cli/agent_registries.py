"""What the commands about agents' registries share: the agent that is meant, hints on reasons, files, the index."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from tallystick.cli.door import in_workspace
from tallystick.cli.output import Output
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.core.limits import REGISTRATION_BYTES_MAX
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally

R = TypeVar("R")

HINTS: Final = {
    "erc721: no such token": "`tally agent identity find` lists the agents",
    "identity: not authorized": "its owner, approved account or operator may; name a key with --as",
    "metadata: reserved key": "`tally agent identity set-wallet` sets the wallet, by its own word",
    "wallets: wallet has not signed": "the wallet's key signs, or the owner of a policy account approves its digest",
    "wallets: proof expired": "`tally agent identity wallet-claim` makes a new one; it lasts some minutes",
    "erc721: not owner or approved": "its owner or approved account may; name a key with --as",
    "roles: not the owner": "the account's owner approves the digest of `tally agent identity wallet-claim`",
    "feedback: own agent": "nobody rates an agent that is his own",
    "feedback: no such feedback": "`tally agent feedback list` shows which there is, and its index",
    "feedback: already revoked": "`tally agent feedback list` says so too",
    "validation: own agent": "nobody validates what is his own; ask somebody else",
    "validation: not authorized": "its owner, approved account or operator asks; name a key with --as",
    "validation: not the validator": "only who was asked answers; name a key with --as",
    "validation: unknown request": "`tally agent validation list` shows what was asked",
    "validation: already requested": "`tally agent validation show` says how it stands",
    "issuers: not named": "`tally agent credential name-issuer` comes first",
    "issuers: already named": "an issuer keeps its name",
    "credentials: own agent": "nobody attests his own agent",
    "credentials: unknown": "`tally agent credential list` shows which there are",
    "credentials: lasts too long": "two years at most: --valid 730d",
    "credentials: not the issuer": "its issuer revokes it; its holder renounces it",
    "credentials: not the holder": "its holder renounces it; its issuer revokes it",
}

FILE: Final = click.Path(path_type=Path)
sync_option = click.option(
    "--sync/--no-sync", "is_synced", default=True, help="Bring the index to the newest block first; the default."
)


def advised(function: Callable[..., R]) -> Callable[..., R]:
    """Give the errors of a command a hint, where we have one."""

    @functools.wraps(function)
    def command(*args: Any, **options: Any) -> R:
        try:
            return function(*args, **options)
        except (InvalidInput, Rejected, VerificationFailed) as error:
            error.hint = HINTS.get(error.code, "") or error.hint
            raise

    return command


def with_registries(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command --workspace and --json, and hand it the workspace."""
    return in_workspace(advised(function))


def at_agent(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the argument AGENT, --workspace and --json, and hand it the workspace and the agent."""

    @click.argument("agent")
    @with_registries
    @functools.wraps(function)
    def command(output: Output, tally: Tally, *args: Any, agent: str, **options: Any) -> R:
        return function(output, tally, tally.agents.registries.agent(agent), *args, **options)

    return command


def follow(output: Output, tally: Tally, is_synced: bool) -> None:
    """Bring the index to the newest block, unless the user wants what is there."""
    if is_synced:
        output.note("index: to the newest block")
        tally.index.sync()


def read_file(path: Path) -> bytes:
    """Return a file that an agent, a client or a validator publishes; raises as `read_bounded`."""
    return read_bounded(path, REGISTRATION_BYTES_MAX)


def keep(out: Path | None, data: bytes, uri: str | None) -> None:
    """Write a file that goes with what is sent next, where its user wants it; raises InvalidInput "cli.out"."""
    if uri and out is None:
        raise InvalidInput("cli.out", "a file that is to be served has to be somewhere", hint="name it with --out")
    if out is not None:
        write_atomic(out, data)


def digest_of(path: Path | None) -> bytes:
    """Return Keccak-256 of a file, zeros where none is named."""
    return bytes(32) if path is None else keccak(read_file(path))


def pairs_of(texts: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    """Return NAME and VALUE of each NAME=VALUE; raises InvalidInput "cli.pair"."""
    found = [text.partition("=") for text in texts]
    for name, sign, value in found:
        if not (name and sign and value):
            raise InvalidInput(
                "cli.pair", f"{option} takes a name and a value", expected="NAME=VALUE", got=ascii(name)[:80]
            )
    return [(name, value) for name, _, value in found]
