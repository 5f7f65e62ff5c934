"""`tally agent session`: the keys by which agents act."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tallystick.agents.policy.document import Rates, Session
from tallystick.agents.policy.durations import format_duration, say_time
from tallystick.agents.policy.explaining import spendable
from tallystick.agents.policy.nouns import AMOUNT_MAX, NOBODY, Level, Scope
from tallystick.chain.coin import NATIVE, Coin, read_coin
from tallystick.cli.agent_door import at_wallet, by_option, show_applied, yes_option
from tallystick.cli.output import Output, table
from tallystick.cli.spans import Span
from tallystick.core.errors import InvalidInput
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.agents.policy.change.live import LiveAccount
    from tallystick.tally.agents.wallet import Wallet

_LEVEL = click.Choice([one.name.lower() for one in Level])


@click.group("session")
def session() -> None:
    """Grant, end, rotate and list the keys that act for a wallet.

    WALLET is a name or an address; SESSION is a key of this workspace, or an address.
    """


@session.command("grant")
@at_wallet
@click.argument("key", metavar="SESSION")
@click.option("--level", type=_LEVEL, default="bounded", show_default=True, help="What it may do alone.")
@click.option("--valid", type=Span(), default="30d", show_default=True, help="How long from now.")
@click.option("--operations", type=click.IntRange(1, 65_534), default=100, show_default=True, help="The most an hour.")
@click.option("--denials", type=click.IntRange(0, 255), default=5, show_default=True, help="As many an hour demote it.")
@click.option("--heartbeat", type=Span(), help="The owner's silence that demotes it.")
@click.option("--token", default=NATIVE, help="What it spends, by its address; the native coin if left out.")
@click.option("--cap", required=True, help="The most at once.")
@click.option("--refill", required=True, help="What comes in each period.")
@click.option("--period", type=Span(), default="1d", show_default=True, help="The period.")
def grant(
    output: Output,
    tally: Tally,
    wallet: Wallet,
    key: str,
    level: str,
    valid: int,
    operations: int,
    denials: int,
    heartbeat: int | None,
    token: str,
    cap: str,
    refill: str,
    period: int,
) -> None:
    """Let a key act within these bounds and the wallet's own: at once before sealing, or announced."""
    coin, now_s = read_coin(tally.node, token), wallet.live().at
    rates = Rates(_amount(coin, cap, "--cap"), _amount(coin, refill, "--refill"), period)
    granted = Session(
        name=key, key=tally.agents.address(key), level=Level[level.upper()], valid_after=0, valid_until=now_s + valid,
        operations=operations, operations_s=3_600, denials=denials, denials_s=3_600 if denials else 0,
        heartbeat_s=heartbeat or 0, budgets={coin.address: rates},
    )  # fmt: skip
    show_applied(output, wallet.grant(granted))


def _amount(coin: Coin, text: str, what: str) -> int:
    """Return an amount that a bucket can hold; raises InvalidInput "amount.…", "cli.amount"."""
    units = coin.parse(text, what)
    if units > AMOUNT_MAX:
        raise InvalidInput("cli.amount", f"{what} is more than a budget holds", expected=f"≤ {coin.format(AMOUNT_MAX)}")
    return units


@session.command("revoke")
@at_wallet
@click.argument("key", metavar="SESSION")
@by_option
@yes_option
def revoke(output: Output, tally: Tally, wallet: Wallet, key: str, by: str, yes: bool) -> None:
    """End a session at once, for good: its owner, a guardian, or the session itself."""
    address = tally.agents.address(key)
    output.confirm(f"End the session of {address}?", yes)
    wallet.revoke(address, by)
    output.result({"wallet": wallet.address, "revoked": address})


@session.command("rotate")
@at_wallet
@click.argument("key", metavar="SESSION")
@click.argument("successor")
def rotate(output: Output, tally: Tally, wallet: Wallet, key: str, successor: str) -> None:
    """Let a session go on under the key SUCCESSOR, its limits with it; the old key is dead."""
    old, new = tally.agents.address(key), tally.agents.address(successor)
    wallet.rotate(old, new)
    output.result({"wallet": wallet.address, "session": old, "successor": new})


@session.command("level")
@at_wallet
@click.argument("key", metavar="SESSION")
@click.argument("level", type=_LEVEL)
@by_option
def level(output: Output, tally: Tally, wallet: Wallet, key: str, level: str, by: str) -> None:
    """Change what a session may do alone: lower at once, higher by the owner and announced."""
    show_applied(output, wallet.set_level(tally.agents.address(key), Level[level.upper()], by))


@session.command("accrue")
@at_wallet
@click.argument("key", metavar="SESSION")
@click.option("--token", default=NATIVE, help="Of which token, by its address; the native coin if left out.")
def accrue(output: Output, tally: Tally, wallet: Wallet, key: str, token: str) -> None:
    """Let the buckets of a session and of WALLET count what has come in: user operations pay their gas from that."""
    coin, holder = read_coin(tally.node, token), tally.agents.address(key)
    account = wallet.accrue(Scope.ACCOUNT, NOBODY, coin.address)
    own = wallet.accrue(Scope.SESSION, holder, coin.address)
    output.result(
        {"wallet": wallet.address, "session": holder, "coin": coin.to_dict(), "left": coin.format(own),
         "left_of_account": coin.format(account)},
        f"{coin.named(own)} are left to the session, {coin.named(account)} to the wallet",
    )  # fmt: skip


@session.command("list")
@at_wallet
def list_(output: Output, tally: Tally, wallet: Wallet) -> None:
    """List the sessions: what each may spend now, how much it did and how often it was refused."""
    live = wallet.live()
    found = [_facts(one, live) for one in live.policy.sessions]
    columns = ("key", "level", "until", "may spend now", "operations", "refusals")
    rows = [_row(tally, one, live) for one in live.policy.sessions]
    listed = table("sessions", columns, rows) if rows else "none: `tally agent session grant` makes one"
    output.result({"wallet": wallet.address, "sessions": found}, listed)


def _facts(one: Session, live: LiveAccount) -> dict[str, object]:
    known = live.state.sessions[one.key]
    return {
        "session": one.key,
        "level": one.level.name.lower(),
        "valid_after": one.valid_after,
        "valid_until": one.valid_until,
        "operations": known.operations.within(one.operations_s, live.at),
        "operations_max": one.operations,
        "operations_s": one.operations_s,
        "denials": known.denials.within(one.denials_s, live.at),
        "denials_max": one.denials,
        "denials_s": one.denials_s,
        "budgets": {
            token: {**rates.to_dict(), "left": str(spendable(live.state, one.key, token, live.at))}
            for token, rates in one.budgets.items()
        },
    }


def _row(tally: Tally, one: Session, live: LiveAccount) -> tuple[str, ...]:
    known = live.state.sessions[one.key]
    operations = known.operations.within(one.operations_s, live.at)
    denials = known.denials.within(one.denials_s, live.at)
    coins = {token: read_coin(tally.node, token) for token in one.budgets}
    left = [coin.named(spendable(live.state, one.key, token, live.at)) for token, coin in coins.items()]
    return (
        one.key,
        one.level.name.lower(),
        say_time(one.valid_until),
        ", ".join(left) if one.level >= Level.BOUNDED else "nothing alone",
        f"{operations} of {one.operations} in {format_duration(one.operations_s)}",
        f"{denials} of {one.denials} in {format_duration(one.denials_s)}" if one.denials else "not counted",
    )
