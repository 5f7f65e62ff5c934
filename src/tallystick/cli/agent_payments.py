"""`tally agent fetch` and `tally agent payments`: what is bought and sold by x402, and what is owed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.chain.coin import read_coin
from tallystick.cli.agent_door import FILE, advised, yes_option
from tallystick.cli.door import in_workspace
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.core.checks import Report
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import FETCH_BODY_BYTES_MAX, HTTP_BODY_BYTES_MAX
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally
from tallystick.tally.agents.reasons import Reasons
from tallystick.tally.agents.senders import OWN

if TYPE_CHECKING:
    from tallystick.agents.payments.purse import Purse
    from tallystick.agents.payments.purse_book import Booked

_SHOWN = 4_000  # characters of an answer in a terminal


@click.command("fetch")
@click.argument("url")
@click.option("--max", "most", required=True, help="The most that is paid for it, a decimal amount of the token.")
@click.option("--token", required=True, multiple=True, help="A token that is paid in, by its address.")
@click.option("--daily", help="The most that is paid in a day.")
@click.option("--wallet", help="The policy account that pays; without it the key pays itself.")
@click.option("--session", default=OWN, show_default=True, metavar="KEY", help="The key that signs: the session's.")
@click.option("--payee", help="Whom you mean to pay; without it, whoever this server named first.")
@click.option("--method", help="GET if left out, POST with --data.")
@click.option("--data", help="The body, or @FILE.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header of the request.")
@click.option("--output", "file", type=FILE, help="Where the answer's body goes.")
@click.option("--for", "purpose", default="a request", help="What for, in a sentence; for the wallet's intent record.")
@click.option("--asked-by", default="a person at the command line", show_default=True, help="Who asked.")
@in_workspace
@advised
def fetch(
    output: Output,
    tally: Tally,
    url: str,
    most: str,
    token: tuple[str, ...],
    daily: str | None,
    wallet: str | None,
    session: str,
    payee: str | None,
    method: str | None,
    data: str | None,
    headers: tuple[str, ...],
    file: Path | None,
    purpose: str,
    asked_by: str,
) -> int:
    """Ask URL, and pay what it asks for within limits (x402).

    While nobody knows whether a payment is settled, asking again sends the same one: a crash costs nothing. Ends with 1
    where the answer's status is 400 or more, or a receipt is wrong.
    """
    from tallystick.services.paying.fetch import Asked, fetch_paid

    why = Reasons(asked_by, purpose)
    purse = tally.agents.payments.purse(token, most, daily, wallet=wallet, session=session, why=why, told=output.note)
    body = b"" if data is None else _content(data)
    asked = Asked(method or ("GET" if data is None else "POST"), url, dict(map(_header, headers)), body)
    got = fetch_paid(purse, tally.node, asked, payee=None if payee is None else tally.agents.address(payee))
    if file is not None:
        write_atomic(file, got.body)
    shown: dict[str, object] = {"status": got.status, "bytes": len(got.body), "content_type": got.content_type}
    if got.booked is not None:
        shown["payment"] = got.booked.to_dict()
    if file is None:
        shown["body"] = got.body.decode("utf-8", "backslashreplace")[: None if output.json else _SHOWN]
    if got.receipt is not None and output.json:
        shown["receipt_checks"] = {"passed": got.receipt.passed, "total": got.receipt.total}
    output.result(shown)
    if got.receipt is not None and not output.json:
        output.report(got.receipt, {})
    return 0 if got.status < 400 and _is_well(got.receipt) else EXIT_FAULTS_FOUND


@click.group("payments")
def payments() -> None:
    """Look at what was bought and sold, settle what is open, and give back what is owed."""


@payments.command("list")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Of each, the newest.")
@in_workspace
@advised
def list_payments(output: Output, tally: Tally, limit: int) -> None:
    """List the newest payments of this workspace, bought and sold."""
    desk = tally.agents.payments
    bought = [one.to_dict() for one in desk.book.newest(limit)]
    sold = [
        {
            "payer": one.key.payer, "payee": one.key.payee, "asset": one.key.asset, "amount": str(one.key.amount),
            "state": one.state, "operation": one.operation.hex(), "reason": one.reason,
            "transaction": one.settlement.get("transaction", ""), "owed": one.refund, "refunded": one.refunded,
        }
        for one in desk.claims.newest(limit)
    ]  # fmt: skip
    if output.json:
        output.result({"bought": bought, "sold": sold})
        return
    rows = [(one["state"], _amount(tally, one), one["payee"], one["resource"], one["note"]) for one in bought]
    output.result({}, table("bought", ("state", "amount", "payee", "for", "note"), rows))
    rows = [(one["state"], _amount(tally, one), one["payer"], one["transaction"], one["owed"]) for one in sold]
    output.result({}, table("sold", ("state", "amount", "payer", "transaction", "owed back"), rows))


@payments.command("reconcile")
@in_workspace
@advised
def reconcile(output: Output, tally: Tally) -> None:
    """Ask the chain about every payment of this workspace whose outcome is not known."""
    purse = _purse(tally)
    found = purse.reconcile()
    lines = [f"{one.id}  {one.state}  {one.note or _until(one)}" for one in found]
    output.result({"payments": [one.to_dict() for one in found]}, lines or ["nothing is undecided"])


@payments.command("refund")
@yes_option
@in_workspace
@advised
def refund(output: Output, tally: Tally, yes: bool) -> None:
    """Give back what was paid before work that failed."""
    desk = tally.agents.payments
    owed = desk.claims.owed()
    if owed:
        output.confirm(f"Give {len(owed)} payments back from {tally.account.address}?", yes)
    done = [{"payer": one.key.payer, "amount": str(one.key.amount), "transaction": desk.refund(one)} for one in owed]
    lines = [f"{one['payer']} got {one['amount']} back in {one['transaction']}" for one in done]
    output.result({"refunds": done}, lines or ["nothing is owed"])


@payments.command("forget-payee")
@click.argument("origin")
@yes_option
@in_workspace
@advised
def forget_payee(output: Output, tally: Tally, origin: str, yes: bool) -> None:
    """Forget whom ORIGIN named as its payee, https://host:port, so that the next one it names is taken."""
    output.confirm(f"Let {origin} name another payee?", yes)
    count = _purse(tally).forget_payee(origin)
    if not count:
        raise InvalidInput(
            "payment.origin", "nobody was paid there", expected="scheme://host:port", got=ascii(origin)[:80],
            hint="`tally agent payments list` shows what was bought where",
        )  # fmt: skip
    output.result({"origin": origin, "forgotten": count}, f"forgotten: {origin}")


def _purse(tally: Tally) -> Purse:
    """Return a purse that pays nothing, to look into the book."""
    from tallystick.agents.payments.purse import Limits, Purse

    desk = tally.agents.payments
    return Purse(desk.book, {}, Limits({}), tally.node, desk.clock)


def _until(one: Booked) -> str:
    until = datetime.fromtimestamp(one.valid_before, UTC).isoformat() if one.valid_before else "it is signed"
    return f"undecided until {until}"


def _amount(tally: Tally, one: dict[str, object]) -> str:
    return read_coin(tally.node, str(one["asset"])).named(int(str(one["amount"])))


def _is_well(receipt: Report | None) -> bool:
    return receipt is None or receipt.ok


def _header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator or not name.strip():
        raise InvalidInput("cli.header", "not a header", expected="NAME:VALUE", got=ascii(text)[:80])
    return name.strip(), value.strip()


def _content(data: str) -> bytes:
    if data.startswith("@"):
        return read_bounded(Path(data[1:]), min(FETCH_BODY_BYTES_MAX, HTTP_BODY_BYTES_MAX))
    return data.encode()
