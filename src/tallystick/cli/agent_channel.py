"""`tally agent channel`: deposits that are spent by signing, for who pays over them and who is paid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from tallystick.agents.channels.payee_book import Account
from tallystick.agents.channels.payer_book import Channel
from tallystick.agents.channels.settling import SettlePolicy
from tallystick.agents.channels.standing import Standing
from tallystick.agents.policy.durations import say_time
from tallystick.chain.coin import NATIVE, read_coin
from tallystick.cli.agent_channel_calls import call, sell
from tallystick.cli.agent_door import advised, by_option, yes_option
from tallystick.cli.agent_reasons import reasons_of, session_why_options
from tallystick.cli.door import in_workspace, read_id
from tallystick.cli.output import Output, table
from tallystick.cli.spans import Span
from tallystick.core.errors import InvalidInput
from tallystick.tally import Tally
from tallystick.tally.agents.channels import By
from tallystick.tally.agents.senders import OWN

R = TypeVar("R")

_TOKEN: Final = click.option("--token", default=NATIVE, help="In which token; the native coin if left out.")
_KEY: Final = click.option("--as", "key", default=OWN, show_default=True, help="Whose key pays, or the session's.")
_WALLET: Final = click.option("--wallet", default="", help="The policy account that pays; without it the key itself.")


@click.group("channel")
def channel() -> None:
    """Pay and be paid by signing: one deposit on chain, then a thousand calls a second.

    A payer loses at most the deposit of a channel, whatever is stolen or whoever lies. CHANNEL is an id.
    """


channel.add_command(call)
channel.add_command(sell)


def _to_id(text: str) -> bytes:
    found = read_id(text)
    if found is None:
        raise InvalidInput(
            "cli.channel", "not the id of a channel", expected="64 hexadecimal digits", got=ascii(text)[:80],
            hint="`tally agent channel list` shows the channels",
        )  # fmt: skip
    return found


def _at(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the argument CHANNEL, and --workspace, --json and hints."""
    return click.argument("channel_id", metavar="CHANNEL")(in_workspace(advised(function)))


@channel.command("open")
@click.argument("payee")
@click.argument("amount")
@_TOKEN
@_KEY
@_WALLET
@click.option("--delay", type=Span(), default="1d", show_default=True, help="From asking for the rest to getting it.")
@click.option("--valid", type=Span(), default="30d", show_default=True, help="Then the rest goes back unasked.")
@click.option("--ahead", default="0", help="Sign vouchers so much ahead: faster, and so much more at risk.")
@session_why_options
@in_workspace
@advised
def open_channel(
    output: Output,
    tally: Tally,
    payee: str,
    amount: str,
    token: str,
    key: str,
    wallet: str,
    delay: int,
    valid: int,
    ahead: str,
    **why: Any,
) -> None:
    """Deposit AMOUNT for PAYEE. With --wallet its session acts under its rules, and that session's key signs."""
    coin = read_coin(tally.node, token)
    units, step = coin.parse(amount, "AMOUNT"), coin.parse(ahead, "--ahead")
    by = By(key, wallet, reasons_of(why))
    payee = tally.agents.address(payee)
    made, transaction = tally.agents.channels.open(by, payee, coin, units, delay_s=delay, valid_s=valid, step=step)
    output.result(
        {**_paying(tally, made), "transaction": "0x" + transaction.hex()},
        f"channel {made.id.hex()} holds {coin.named(made.deposit)} for {payee}",
    )


@channel.command("top-up")
@_at
@click.argument("amount")
@_KEY
@_WALLET
@session_why_options
def top_up(output: Output, tally: Tally, channel_id: str, amount: str, key: str, wallet: str, **why: Any) -> None:
    """Deposit AMOUNT more; the payer's, as it was opened."""
    desk = tally.agents.channels
    found = desk.paying.channel(_to_id(channel_id))
    coin = desk.coin_of(found.contract)
    by = By(key, wallet, reasons_of(why))
    made, transaction = desk.top_up(found.id, by, coin.parse(amount, "AMOUNT"))
    output.result(
        {**_paying(tally, made), "transaction": "0x" + transaction.hex()}, f"it holds {coin.named(made.deposit)} now"
    )


@channel.command("list")
@_TOKEN
@in_workspace
@advised
def list_channels(output: Output, tally: Tally, token: str) -> None:
    """List the channels that this workspace pays over, and those in --token that it is paid over."""
    desk = tally.agents.channels
    paying = [one for one in (_paying(tally, each) for each in desk.paying.channels()) if one["state"] != "not there"]
    accounts = desk.paid.accounts()
    paid = [one for one in (_paid(tally, each, token) for each in accounts) if one["state"] != "not there"]
    if output.json:
        output.result({"paying": paying, "paid": paid})
        return
    rows = [(one["channel"], one["payee"], one["deposit"], one["spent"], one["state"]) for one in paying]
    output.result({}, table("paying", ("channel", "payee", "deposit", "spent", "state"), rows))
    rows = [(one["channel"], one["payer"], one["charged"], one["owed"], one["state"]) for one in paid]
    output.result({}, table("paid", ("channel", "payer", "charged", "owed", "state"), rows))


@channel.command("show")
@_at
@_TOKEN
def show(output: Output, tally: Tally, channel_id: str, token: str) -> None:
    """Show a channel as our book and the chain have it, as its payer or, in --token, as its payee."""
    desk, wanted = tally.agents.channels, _to_id(channel_id)
    if wanted in {one.id for one in desk.paying.channels()}:
        output.result(_paying(tally, desk.refresh(wanted)))
    else:
        output.result(_paid(tally, desk.account(wanted), token))


@channel.command("settle")
@_TOKEN
@click.option("--owed", default="0", help="Only channels that owe so much, or are about to end.")
@by_option
@in_workspace
@advised
def settle(output: Output, tally: Tally, token: str, owed: str, by: str) -> None:
    """Bring the vouchers that this workspace holds to the chain, for what was charged; many in one transaction."""
    coin, desk = read_coin(tally.node, token), tally.agents.channels
    policy = SettlePolicy(amount=coin.parse(owed, "--owed") or 1, after_s=float("inf"))
    due, receipts = desk.settle(coin.address, policy, by)
    shown = [{"channel": one.account.id.hex(), "amount": str(one.owed), "why": one.why} for one in due]
    sent = ["0x" + one.transaction_hash.hex() for one in receipts]
    total = coin.named(sum(one.owed for one in due))
    lines = [f"{total} of {len(due)} channels in {len(sent)} transactions"] if due else ["nothing is owed"]
    output.result({"settled": shown, "transactions": sent}, lines)


@channel.command("close")
@_at
@_TOKEN
@by_option
@yes_option
def close(output: Output, tally: Tally, channel_id: str, token: str, by: str, yes: bool) -> None:
    """End a channel as its payee: what was charged comes here, and the rest goes back to the payer."""
    desk, coin = tally.agents.channels, read_coin(tally.node, token)
    account = desk.account(_to_id(channel_id))
    output.confirm(f"Close channel {account.id.hex()}? Nothing more can be paid over it.", yes)
    standing, receipt = desk.end(account.id, coin.address, by)
    output.result(
        {
            "channel": account.id.hex(), "claimed": str(standing.claimed),
            "returned": str(standing.deposit - standing.claimed),
            "transaction": "0x" + receipt.transaction_hash.hex(),
        },
        f"{coin.named(standing.claimed)} in all were ours; the rest went back",
    )  # fmt: skip


@channel.command("refund")
@_at
@click.argument("amount")
@_TOKEN
@by_option
def refund(output: Output, tally: Tally, channel_id: str, amount: str, token: str, by: str) -> None:
    """Give AMOUNT back into a channel, as its payee; the payer spends it there, or has it back at the end."""
    desk, coin = tally.agents.channels, read_coin(tally.node, token)
    account = desk.account(_to_id(channel_id))
    units = coin.parse(amount, "AMOUNT")
    receipt = desk.refund(account.id, coin, units, by)
    output.result(
        {**_paid(tally, account, token), "transaction": "0x" + receipt.transaction_hash.hex()},
        f"{coin.named(units)} are the payer's again",
    )


@channel.command("withdraw")
@_at
@by_option
def withdraw(output: Output, tally: Tally, channel_id: str, by: str) -> None:
    """Ask for the rest, as the payer or who speaks for it; once the delay is over, say it again to get it.

    Who speaks for a policy account: its session whose key signs, its owner, its guardians, frozen or not.
    """
    desk = tally.agents.channels
    found = desk.paying.channel(_to_id(channel_id))
    standing, receipt = desk.withdraw(found.id, by)
    coin = desk.coin_of(found.contract)
    words = f"the rest, {coin.named(standing.deposit - standing.claimed)}, "
    words += "went back" if standing.is_closed else f"can be had {say_time(standing.ends(found.terms.expires))}"
    output.result(
        {**_paying(tally, desk.refresh(found.id)), "transaction": "0x" + receipt.transaction_hash.hex()}, words
    )


def _paying(tally: Tally, one: Channel) -> dict[str, object]:
    desk = tally.agents.channels
    standing = desk.standing(one.contract, one.id)
    return {
        "channel": one.id.hex(), "contract": one.contract, "coin": desk.coin_of(one.contract).address,
        "payer": one.terms.payer, "payee": one.terms.payee, "signer": one.terms.authorizer,
        "deposit": str(standing.deposit), "claimed": str(standing.claimed), "signed": str(one.highest),
        "spent": str(one.spent), "undecided": str(one.pending), "at_risk": str(one.at_risk),
        "beyond_receipts": str(max(0, standing.claimed - one.spent - one.pending)),
        **_state(standing, one.terms.expires),
    }  # fmt: skip


def _paid(tally: Tally, one: Account, token: str) -> dict[str, object]:
    desk = tally.agents.channels
    standing = desk.standing(desk.contract(token).address, one.id)
    owed = max(0, min(one.spent, one.highest, standing.deposit) - standing.claimed)
    return {
        "channel": one.id.hex(), "payer": one.terms.payer, "payee": one.terms.payee, "signer": one.terms.authorizer,
        "deposit": str(standing.deposit), "claimed": str(standing.claimed), "voucher": str(one.highest),
        "charged": str(one.spent), "in_work": str(one.pending), "owed": str(owed),
        **_state(standing, one.terms.expires),
    }  # fmt: skip


def _state(standing: Standing, expires: int) -> dict[str, object]:
    state = "open" if standing.is_known else "not there"
    if standing.closes:
        state = "closing"
    if standing.is_closed:
        state = "closed"
    return {"state": state, "ends": standing.ends(expires), "is_closed": standing.is_closed}
