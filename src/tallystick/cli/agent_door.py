"""What the commands of agents share: the wallet that is meant, hints on the contracts' reasons, and what was sent."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from tallystick.agents.policy import Policy, read_policy
from tallystick.cli.door import in_workspace, read_id, reading
from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.core.limits import POLICY_BYTES_MAX
from tallystick.store.files import read_bounded
from tallystick.tally import Tally
from tallystick.tally.agents.acting import HINTS as REFUSALS
from tallystick.tally.agents.senders import OWN

if TYPE_CHECKING:
    from tallystick.tally.agents.wallet import Applied, Wallet

R = TypeVar("R")

FILE: Final = click.Path(path_type=Path)
by_option = click.option(
    "--as", "by", default=OWN, show_default=True, metavar="KEY", help="Whose key of this workspace sends."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")

HINTS: Final = {
    **REFUSALS,
    "roles: not the owner": "the owner's workspace says this",
    "roles: not a guardian": "name a guardian's key with --as",
    "changes: not a guardian": "its owner and guardians take changes back; name a key with --as",
    "changes: not the owner": "the owner's workspace says this",
    "roles: frozen": "`tally agent wallet show` says until when; the owner's `tally agent unfreeze` ends it earlier",
    "roles: not frozen": "`tally agent wallet show` says how it stands",
    "roles: must be scheduled": "the wallet is sealed: raises are announced, by `tally agent policy apply`",
    "roles: already sealed": "sealing is once and for ever",
    "roles: delay too short": "raises wait at least an hour: --raise-delay 1h",
    "roles: freeze too long": "at most 7 days; by the owner's `tally agent extend-freeze` longer, at most a year",
    "roles: not the heir": "`tally agent owner show` says to whom it is offered; name the heir's key with --as",
    "roles: no change": "`tally agent wallet show` says how it stands",
    "roles: too many": "there are at most 8 guardians and 8 approvers",
    "owners: target denied": "the wallet's own contracts are changed by `tally agent policy apply`",
    "roles: key has another role": "each role needs a key of its own: `tally key new`",
    "sessions: not live": "its time, its epoch or its key is another; `tally agent session list` shows them",
    "sessions: not sealed": "sessions act once the wallet is sealed: `tally agent wallet seal`",
    "sessions: level too low": "`tally agent session list` shows the levels; the owner raises one",
    "sessions: bad terms": "`tally agent policy check` says what of a session a contract refuses",
    "payees: no registry": "name one in the policy's [newcomers] and apply it",
    "payees: no wallet": "the agent's owner gives it one first",
    "buckets: too many tokens": "a wallet budgets at most 8; leave one out of the policy file and apply it",
    "sessions: unknown session": "`tally agent session list` shows which there are",
    "queue: not an approver": "name an approver's key with --as",
    "queue: not yours to veto": "its owner, guardians, approvers and its session may; name a key with --as",
    "queue: not open": "`tally agent queue list` says how it ended",
    "queue: already approved": "each approver counts once",
    "queue: too early": "`tally agent queue list` shows since when it waits; its delay is in the policy's [queue]",
    "queue: not approved": "`tally agent approve` lets it pass, once for each approver",
    "queue: too many open": "veto one, or wait until one is over; without [queue] in the policy none is taken",
    "queue: valid too long": "an item can wait at most 60 days: --valid 60d",
    "queue: expired": "propose it again",
    "queue: level too low": "a session of level observe may not even propose",
    "owners: call failed": "the token did not let the coins move",
    "calls: too little gas": "let it have more, by --gas",
    "erc20: balance too low": "whoever pays holds less of the token",
    "address.form": "a token and a target are named by their address, whoever is paid also by a key's name",
    "calldata.call": "quote it for your shell, write uint256 for uint; to pay there are `pay` and `queue pay`",
    "keys.missing": "`tally key new` makes a key",
    "chain.insufficient_funds": "the key that sends pays for gas: fund it",
}


def advised(function: Callable[..., R]) -> Callable[..., R]:
    """Give the errors of a command a hint, where they have none and we have one."""

    @functools.wraps(function)
    def command(*args: Any, **options: Any) -> R:
        try:
            return function(*args, **options)
        except (InvalidInput, Rejected) as error:
            error.hint = HINTS.get(error.code, "") or error.hint
            raise

    return command


def at_wallet(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the argument WALLET, --workspace and --json, and hand it the workspace and the wallet."""

    @click.argument("wallet")
    @in_workspace
    @advised
    @functools.wraps(function)
    def command(output: Output, tally: Tally, *args: Any, wallet: str, **options: Any) -> R:
        found: Wallet = tally.agents.wallet(wallet)
        return function(output, tally, found, *args, **options)

    return command


def open_policy(path: Path) -> Policy:
    """Return the policy in a file; raises InvalidInput as `read_policy` and `read_bounded`."""
    data = read_bounded(path, POLICY_BYTES_MAX)
    with reading(path, "docs/spec/policy-file.md says what a policy file holds; `tally agent policy new` writes one"):
        return read_policy(data)


def show_applied(output: Output, applied: Applied) -> None:
    """Say what was sent of a plan and what waits."""
    sent = [one.to_dict(number) for number, one in enumerate(applied.sent, 1)]
    waiting = [one.to_dict(number) for number, one in enumerate(applied.waiting, 1)]
    lines = [f"{one.deed.value:>8}  {one.words}" for one in (*applied.sent, *applied.waiting)]
    output.result({"sent": sent, "waiting": waiting}, lines or ["nothing to change"])


def to_item(text: str) -> bytes:
    """Return the id of an item that a user wrote; raises InvalidInput "cli.item"."""
    found = read_id(text)
    if found is None:
        raise InvalidInput(
            "cli.item", "not the id of an item", expected="64 hexadecimal digits", got=ascii(text)[:80],
            hint="`tally agent queue list` shows the items",
        )  # fmt: skip
    return found
