"""`tally agent pay` and `tally agent act`: what a session does, with an intent record that says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import click

from tallystick.chain.coin import NATIVE, read_coin
from tallystick.cli.agent_door import at_wallet
from tallystick.cli.output import Output
from tallystick.core.errors import InvalidInput
from tallystick.tally import Tally
from tallystick.tally.agents.acting import Reasons

if TYPE_CHECKING:
    from tallystick.tally.agents.wallet import Wallet

R = TypeVar("R")


def why_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options that say why it is done."""
    for option in (
        click.option("--model", default="", help="On which model's word, by its name."),
        click.option("--asked-by", default="a person at the command line", show_default=True, help="Who asked."),
        click.option("--for", "purpose", required=True, help="What for, in a sentence; kept with the record."),
    ):
        function = option(function)
    return function


def reasons_of(why: Mapping[str, str]) -> Reasons:
    """Return what the options of `why_options` say."""
    return Reasons(why["asked_by"], why["purpose"], why["model"])


@click.command("pay")
@at_wallet
@click.argument("session")
@click.argument("payee")
@click.argument("amount")
@click.option("--token", default=NATIVE, help="In which token, by its address; the native coin if left out.")
@why_options
def pay(
    output: Output, tally: Tally, wallet: Wallet, session: str, payee: str, amount: str, token: str, **why: str
) -> None:
    """Pay AMOUNT to PAYEE from WALLET, as the key SESSION signs; this workspace's account pays for the gas."""
    coin = read_coin(tally.node, token)
    done = wallet.acting.pay(session, coin, tally.agents.address(payee), coin.parse(amount, "AMOUNT"), reasons_of(why))
    output.result({"wallet": wallet.address, **done.to_dict()})


@click.command("act")
@at_wallet
@click.argument("session")
@click.argument("target")
@click.argument("data")
@click.option("--amount", default="0", help="Native coin that goes along.")
@why_options
def act(
    output: Output, tally: Tally, wallet: Wallet, session: str, target: str, data: str, amount: str, **why: str
) -> None:
    """Call TARGET with DATA (hexadecimal) from WALLET, as the key SESSION signs."""
    try:
        calldata = bytes.fromhex(data.removeprefix("0x"))
    except ValueError:
        raise InvalidInput("cli.data", "not calldata", expected="hexadecimal digits", got=ascii(data)[:80]) from None
    units = read_coin(tally.node, NATIVE).parse(amount, "--amount")
    done = wallet.acting.act(session, tally.agents.address(target), calldata, units, reasons_of(why))
    output.result({"wallet": wallet.address, **done.to_dict()})
