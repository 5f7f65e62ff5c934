"""`tally agent pay` and `tally agent act`: what a session does, with an intent record that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tallystick.chain.coin import NATIVE, read_coin
from tallystick.cli.agent_door import at_wallet
from tallystick.cli.agent_reasons import call_arguments, calldata_of, reasons_of, why_options
from tallystick.cli.agent_wallet import amount_words
from tallystick.cli.output import Output
from tallystick.tally import Tally
from tallystick.tally.agents.acting import ACT_GAS

if TYPE_CHECKING:
    from tallystick.tally.agents.wallet import Wallet

_GAS_MAX = 2**24  # EIP-7825: no transaction has more


@click.command("pay")
@at_wallet
@click.argument("session")
@click.argument("payee")
@click.argument("amount")
@click.option("--token", default=NATIVE, help="In which token, by its address; the native coin if left out.")
@why_options
def pay(
    output: Output, tally: Tally, wallet: Wallet, session: str, payee: str, amount: str, token: str, **why: Any
) -> None:
    """Pay AMOUNT to PAYEE from WALLET, as the key SESSION signs; this workspace's account pays for the gas."""
    coin, reasons = read_coin(tally.node, token), reasons_of(why)
    to, units = tally.agents.address(payee), coin.parse(amount, "AMOUNT")
    done = wallet.acting.pay(session, coin, to, units, reasons)
    text = [
        f"paid {amount_words(coin, units)} to {to}, for {done.gas_used:,} gas",
        f"link         {done.link.seq} of the audit chain of {wallet.address}",
        f"intent       {done.intent_hash.hex()}",
        f"transaction  0x{done.transaction.hex()}",
    ]
    output.result({"wallet": wallet.address, **done.to_dict()}, text)


@click.command("act")
@at_wallet
@click.argument("session")
@call_arguments
@click.option(
    "--gas", type=click.IntRange(21_000, _GAS_MAX), default=ACT_GAS, show_default=True, help="For call and checks."
)
@why_options
def act(
    output: Output,
    tally: Tally,
    wallet: Wallet,
    session: str,
    target: str,
    call: str,
    arguments: tuple[str, ...],
    amount: str,
    gas: int,
    **why: Any,
) -> None:
    """Call TARGET from WALLET, as the key SESSION signs.

    CALL is a signature with its ARGUMENTS behind it, "transfer(address,uint256)" shop 5; a selector, whose arguments
    are words; all the calldata in hexadecimal after 0x; or native, none at all. Numbers are in smallest units, lists
    are JSON; a negative number stands after --.
    """
    data, reasons = calldata_of(tally, call, arguments), reasons_of(why)
    units = read_coin(tally.node, NATIVE).parse(amount, "--amount")
    done = wallet.acting.act(session, tally.agents.address(target), data, units, reasons, gas=gas)
    output.result({"wallet": wallet.address, **done.to_dict()})
