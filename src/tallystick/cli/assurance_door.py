"""What the commands of assured answers share: the coin that says which contract, ids, amounts, and hints on reasons."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from tallystick.chain.coin import NATIVE
from tallystick.cli.door import in_workspace, read_id
from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.chain.deployments import Deployment
    from tallystick.tally.lithic.committee import CommitteeDesk
    from tallystick.tally.lithic.direct import DirectDesk
    from tallystick.tally.lithic.optimistic import OptimisticDesk
    from tallystick.tally.lithic.places import Place

R = TypeVar("R")

_Desk = Literal["direct", "optimistic", "committee"]

approve_option = click.option(
    "--approve", is_flag=True, help="Let the contract take just what is paid, where its coin is a token."
)
coin_option = click.option(
    "--coin", default=NATIVE, help="The token that it counts in, by its address; the native coin if left out."
)

# What to do about a reason, a contract's own mostly, where its words leave that open.
HINTS = {
    "optimistic: unknown request": "`tally lithic optimistic show` lists the requests of this contract",
    "optimistic: too early": "`tally lithic optimistic show` says when its time is over",
    "optimistic: too late": "its time is over; `tally lithic optimistic settle` ends it",
    "optimistic: already claimed": "somebody claims already; watch the claim, and refute it if it is wrong",
    "optimistic: no claim": "`tally lithic optimistic show` says how the request stands",
    "optimistic: closed": "`tally lithic optimistic show` says how it ended",
    "optimistic: no bond": "a claim needs a bond of which half is something: raise --bond",
    "optimistic: not an input": "the kernel's ranges refuse this row; `tally lithic model inspect` shows them",
    "requests: unknown request": "`tally lithic committee show` lists the requests of this contract",
    "requests: no such offer": "`tally lithic committee providers` lists who offers what, for how much",
    "requests: member has no bond": "name members with a bond: `tally lithic committee providers` lists them",
    "requests: bad duration": "commits take at least 1 s, reveals at least 60 s, both together at most 3 days",
    "requests: bad bounds": "--low must not be above --high",
    "requests: named twice": "name each member once",
    "requests: bad threshold": "--threshold is between 1 and the number of members",
    "rounds: not over": "`tally lithic committee show` says until when answers may come",
    "providers: unknown provider": "`tally lithic committee register` makes this account a provider",
    "providers: key already used": "name another key with --key; `tally key new` makes one",
    "providers: bond too low": "only what is neither locked nor leaving counts: `tally lithic committee providers`",
    "providers: too early": "a bond stays seven days after it was announced",
    "providers: nothing to withdraw": "`tally lithic committee announce-withdrawal` comes first",
    "coins: transfer refused": "the token did not let the coins move; ask its issuer, nothing was changed",
    "coins: other amount moved": "the token keeps part of a transfer, and cannot be this contract's coin",
    "committee.kernel": "only the answers of a request that was opened with --kernel are judged by one",
    "kernel.request": "`tally lithic optimistic show` says which model the request is for; name the kernel of that",
    "receipt.kernel": "name the file of the model's kernel with --kernel",
    "receipt.none": "`show` says how the request stands; a receipt is of an answer that nothing can change any more",
    "answers: not fulfilled": "`tally lithic committee show` says how the request stands",
    "chain.insufficient_funds": "the account pays amounts and gas: fund it",
}  # fmt: skip


def at(desk: _Desk) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command --contract, --workspace and --json, and hand it the desk of that contract."""

    def marked(function: Callable[..., R]) -> Callable[..., R]:
        contract = click.option("--contract", help="Another contract than this workspace's, by its address.")
        return contract(at_own(desk)(function))

    return marked


def at_own(desk: _Desk) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command --workspace and --json, and hand it the desk of this workspace's contract."""

    def marked(function: Callable[..., R]) -> Callable[..., R]:
        @in_workspace
        @functools.wraps(function)
        def command(output: Output, tally: Tally, *args: Any, contract: str | None = None, **options: Any) -> R:
            with advised():
                return function(output, getattr(tally.lithic, desk)(contract), *args, **options)

        return command

    return marked


@contextmanager
def advised() -> Iterator[None]:
    """Give an error that leaves the block a hint, where it has none and we have one."""
    try:
        yield
    except (InvalidInput, Rejected) as error:
        error.hint = error.hint or HINTS.get(error.code, "")
        raise


def to_request_id(text: str, desk: DirectDesk | OptimisticDesk | CommitteeDesk) -> bytes:
    """Return the id of a request that a user wrote: 64 digits, or `last` for the account's newest.

    raises  InvalidInput "cli.request", "request.none"
    """
    if text == "last":
        return desk.last()
    found = read_id(text)
    if found is None:
        raise InvalidInput(
            "cli.request", "not the id of a request", expected="64 hexadecimal digits, or `last`",
            got=ascii(text)[:80], hint="it was told when it was asked; `show`, of the modes that wait, lists them",
        )  # fmt: skip
    return found


def show_deployed(output: Output, place: Place, made: Deployment) -> None:
    """Say where a contract is and what it counts in."""
    sent = made.transaction_hash
    value = {"contract": place.contract, "address": place.address, "coin": place.coin.to_dict()}
    coin = "the native coin" if place.coin.is_native else f"{place.coin.symbol} {place.coin.address}".strip()
    how = "there already" if sent is None else f"deployed in block {made.block_number}"
    output.result(
        {**value, "transaction": None if sent is None else "0x" + sent.hex()},
        [f"{place.contract} at {place.address}, counting in {coin}: {how}"],
    )
