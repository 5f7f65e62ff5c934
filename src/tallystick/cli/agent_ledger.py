"""`tally agent ledger`: what came, what went and what is promised, each line held against the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.agents.bookkeeping.lines import Kind
from tallystick.agents.policy.durations import say_time
from tallystick.cli.agent_door import FILE, advised
from tallystick.cli.door import in_workspace
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.core.errors import InvalidInput
from tallystick.store.files import write_atomic
from tallystick.tally import Tally

if TYPE_CHECKING:
    from tallystick.agents.bookkeeping.ledger import Ledger
    from tallystick.agents.bookkeeping.lines import Line
    from tallystick.chain.coin import Coin


class Instant(click.ParamType[int]):
    """Seconds since 1970: of a day in UTC, 2026-11-28, or of a time with its offset, 2026-11-28T12:00:00Z."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds that `value` writes; a time without an offset is refused, whose hour is nobody's."""
        if isinstance(value, int):
            return value
        try:
            found = datetime.fromisoformat(str(value))
            if len(str(value)) == len("2026-11-28"):
                found = found.replace(tzinfo=UTC)
            if found.tzinfo is None:
                raise ValueError("no offset")
            return (found - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time; write 2026-11-28 or 2026-11-28T12:00:00Z", param, ctx)


INSTANT = Instant()


@click.command("ledger")
@click.option(
    "--wallet", help="One account: a wallet or a key by name, or an address. All of this workspace's if left out."
)
@click.option("--from", "begin", type=INSTANT, help="From this time on, 2026-11-28 or 2026-11-28T12:00:00Z.")
@click.option("--to", "end", type=INSTANT, help="Up to this time, which is not in it any more.")
@click.option("--token", "tokens", multiple=True, help="A token to account for that no book here names.")
@click.option("--csv", "file", type=FILE, help="Write the lines to this file, as CSV.")
@in_workspace
@advised
def ledger(
    output: Output, tally: Tally, wallet: str | None, begin: int | None, end: int | None, tokens: tuple[str, ...],
    file: Path | None,
) -> int:  # fmt: skip
    """Show income, spend and what is pending, each line reconciled with the chain; ends with 1 where one is not.

    What came in and no book expects is shown, and no fault: anybody can send anybody a coin.
    """
    from tallystick.agents.bookkeeping.export import to_csv
    from tallystick.agents.bookkeeping.lines import Period
    from tallystick.tally.agents.ledger import coins_of

    with output.progress("ledger", 1) as advance:
        found = tally.agents.ledger(wallet, Period(begin, end), tokens)
        coins = coins_of(tally, found)
        advance(1)
    if file is not None:
        if file.exists():
            raise InvalidInput("cli.exists", f"{file} is there already", hint="name another file with --csv")
        write_atomic(file, to_csv(found.lines, coins))
    if output.json:
        output.result(found.to_dict())
    else:
        _show(output, found, coins)
    return 0 if found.is_reconciled else EXIT_FAULTS_FOUND


def _show(output: Output, found: Ledger, coins: Mapping[str, Coin]) -> None:
    """Print the ledger for people: gas as a sum, and of each token what there is of it."""
    moved = [one for one in found.lines if one.has_moved and (one.kind is not Kind.FEE or one.is_gap)]
    columns = ("when", "what", "in", "out", "with", "for", "state")
    output.result({}, table("what moved", columns, _rows(moved, coins)))
    waiting = [one for one in found.lines if not one.has_moved]
    if waiting:
        output.result({}, table("what did not", columns, _rows(waiting, coins)))
    if found.bills:
        rows = [_bill(one.to_dict(), coins) for one in found.bills]
        output.result({}, table("invoices", ("number", "side", "amount", "with", "due", "stands"), rows))
    for total in found.totals:
        coin = coins[total.token]
        told = {
            name: _signed(coin, int(str(units)))
            for name, units in total.to_dict().items()
            if name != "token" and (units != "0" or name in ("income", "spend", "opening", "closing"))
        }
        output.result({"native coin" if coin.is_native else coin.symbol or total.token: told})
    for note in found.notes:
        output.result({}, f"does not fit: {note}")
    for one in found.gaps:
        output.result({}, f"does not fit: {_place(one)}: {one.state.value}: {one.reason}")
    words = "reconciled" if found.is_reconciled else "not reconciled"
    output.result({}, f"{words}: {len(found.lines)} lines, {len(found.gaps)} that do not fit")


def _rows(lines: Iterable[Line], coins: Mapping[str, Coin]) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for one in lines:
        amount = coins[one.token].named(one.amount)
        came, went = ("", amount) if one.is_out else (amount, "")
        found.append((say_time(one.at), one.kind.value, came, went, one.party, one.reason or one.reference,
                      one.state.value))  # fmt: skip
    return found


def _bill(told: Mapping[str, object], coins: Mapping[str, Coin]) -> tuple[object, ...]:
    coin, units = coins.get(str(told["asset"])), int(str(told["amount"]))
    party = told["buyer"] if told["side"] == "issued" else told["seller"]
    amount = str(units) if coin is None else coin.named(units)
    stands = f"{told['standing']} {told['words']}".strip()
    return told["number"], told["side"], amount, party, say_time(int(str(told["due"]))), stands


def _signed(coin: Coin, units: int) -> str:
    return f"-{coin.named(-units)}" if units < 0 else coin.named(units)


def _place(one: Line) -> str:
    where = f"block {one.block}" if one.block else say_time(one.at)
    return f"{where}, {one.kind.value} {'to' if one.is_out else 'from'} {one.party or 'nobody'} ({one.amount} units)"
