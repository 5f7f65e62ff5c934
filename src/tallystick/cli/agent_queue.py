"""`tally agent queue`: what a session asked for because it may not do it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tallystick.agents.intents import Payment
from tallystick.agents.policy.durations import say_time
from tallystick.chain.coin import NATIVE, read_coin
from tallystick.cli.agent_door import at_wallet, by_option, to_item, yes_option
from tallystick.cli.agent_reasons import call_arguments, calldata_of, reasons_of, why_options
from tallystick.cli.output import Output, table
from tallystick.cli.spans import Span, in_words
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.tally.agents.queue import Waiting
    from tallystick.tally.agents.wallet import Wallet

valid_option = click.option("--valid", type=Span(), default="7d", show_default=True, help="How long it can run.")


@click.group("queue")
def queue() -> None:
    """Propose what a session may not do alone, list it, run it.

    WALLET is a name that this workspace's account gave, or an address.
    """


@queue.command("list")
@at_wallet
@click.option("--all", "everything", is_flag=True, help="Also what is over.")
def list_(output: Output, tally: Tally, wallet: Wallet, everything: bool) -> None:
    """List the items of WALLET's queue, the newest first, and with --all how each ended."""
    found = [one for one in wallet.queue.items() if everything or one.words == "open"]
    now_s = tally.node.block().timestamp
    rows = [
        (one.id.hex(), one.words, one.item.session, one.item.target, one.state.approvals,
         in_words(one.item.proposed_at, now_s), in_words(one.item.expires, now_s))
        for one in found
    ]  # fmt: skip
    value = {"wallet": wallet.address, "items": [one.to_dict() for one in found]}
    columns = ("item", "", "session", "target", "approvals", "proposed", "expires")
    output.result(value, table("items", columns, rows) if rows else "nothing waits; --all shows what is over")


@queue.command("show")
@at_wallet
@click.argument("item")
def show(output: Output, tally: Tally, wallet: Wallet, item: str) -> None:
    """Show ITEM of WALLET's queue: what it does, in words, and what its session says that it is for."""
    found = wallet.queue.find(to_item(item))
    words, state = wallet.queue.say(found.item), found.state
    asked, until = say_time(found.item.proposed_at), say_time(found.item.expires)
    stands = f"{found.words}, with {state.approvals} approvals; proposed {asked}, can run until {until}"
    output.result({**found.to_dict(), "words": list(words)}, [*words, stands])


@queue.command("pay")
@at_wallet
@click.argument("session")
@click.argument("payee")
@click.argument("amount")
@click.option("--token", default=NATIVE, help="Of which token, by its address; the native coin if left out.")
@valid_option
@why_options
def pay(
    output: Output,
    tally: Tally,
    wallet: Wallet,
    session: str,
    payee: str,
    amount: str,
    token: str,
    valid: int,
    **why: Any,
) -> None:
    """Ask, as the key SESSION, for a payment of AMOUNT to PAYEE; approvers or time let it pass."""
    coin, to, reasons = read_coin(tally.node, token), tally.agents.address(payee), reasons_of(why)
    units = coin.parse(amount, "AMOUNT")
    intent_hash = wallet.acting.record(session, reasons, Payment(to, coin.address, units))
    target, data, value = wallet.acting.payment_call(coin, to, units)
    show_item(output, wallet.queue.propose(session, target, data, value, coin, units, intent_hash, valid))


@queue.command("propose")
@at_wallet
@click.argument("session")
@call_arguments
@click.option(
    "--token", help="What it spends beside native coin, by the token's address; what the rules read if left out."
)
@click.option("--max-debit", help="The most of the token; what the rules read if left out.")
@valid_option
@why_options
def propose(
    output: Output,
    tally: Tally,
    wallet: Wallet,
    session: str,
    target: str,
    call: str,
    arguments: tuple[str, ...],
    amount: str,
    token: str | None,
    max_debit: str | None,
    valid: int,
    **why: Any,
) -> None:
    """Ask, as the key SESSION, for a call of TARGET, written as `tally agent act` takes it; `queue pay` asks to pay."""
    data, to, reasons = calldata_of(tally, call, arguments), tally.agents.address(target), reasons_of(why)
    value = read_coin(tally.node, NATIVE).parse(amount, "--amount")
    if (token is None) != (max_debit is None):
        raise click.UsageError("--token and --max-debit go together")
    meant = wallet.acting.meant(to, data, value)
    coin = read_coin(tally.node, token or (meant.token if meant else NATIVE))
    units = meant.amount if meant else 0
    if max_debit is not None:
        units = coin.parse(max_debit, "--max-debit")
        meant = Payment(meant.payee if meant else to, coin.address, units)
    intent_hash = wallet.acting.record(session, reasons, meant)
    show_item(output, wallet.queue.propose(session, to, data, value, coin, units, intent_hash, valid))


@queue.command("run")
@at_wallet
@click.argument("item")
def run(output: Output, tally: Tally, wallet: Wallet, item: str) -> None:
    """Run ITEM, whose time has come; anybody may."""
    done = wallet.queue.run(to_item(item))
    output.result({**wallet.queue.find(to_item(item)).to_dict(), **done.to_dict()})


@click.command("approve")
@at_wallet
@click.argument("item")
@by_option
@yes_option
def approve(output: Output, tally: Tally, wallet: Wallet, item: str, by: str, yes: bool) -> None:
    """Let ITEM of WALLET's queue pass, as one of several approvers."""
    wanted = wallet.queue.find(to_item(item))
    for line in wallet.queue.say(wanted.item):
        output.note(line)
    output.confirm("Let exactly this pass?", yes)
    wallet.queue.approve(wanted.id, by)
    show_item(output, wallet.queue.find(wanted.id))


@click.command("veto")
@at_wallet
@click.argument("item")
@by_option
def veto(output: Output, tally: Tally, wallet: Wallet, item: str, by: str) -> None:
    """Take ITEM out of WALLET's queue: its owner, guardians, approvers, and the session that asked."""
    wallet.queue.veto(to_item(item), by)
    show_item(output, wallet.queue.find(to_item(item)))


def show_item(output: Output, one: Waiting) -> None:
    """Say how an item stands."""
    output.result(one.to_dict())
