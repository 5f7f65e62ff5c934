"""`tally agent invoice`: bill, check what was billed, and pay it once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.agents.policy.durations import say_time
from tallystick.chain.coin import read_coin
from tallystick.cli.agent_door import FILE, advised, yes_option
from tallystick.cli.agent_ledger import INSTANT
from tallystick.cli.door import in_workspace, reading
from tallystick.cli.main import EXIT_FAULTS_FOUND
from tallystick.cli.output import Output, table
from tallystick.cli.spans import Span
from tallystick.core.digest import parse_hex32
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import INVOICE_BYTES_MAX
from tallystick.store.files import read_bounded, write_atomic
from tallystick.tally import Tally
from tallystick.tally.agents.senders import OWN

if TYPE_CHECKING:
    from tallystick.agents.bookkeeping.invoice import SignedInvoice


@click.group("invoice")
def invoice() -> None:
    """Bill for what was sold, check what was billed, and pay it, once.

    An invoice is a file, signed by its seller. It is paid by what the chain shows, never by what somebody says.
    """


@invoice.command("new")
@click.argument("buyer")
@click.option(
    "--line", "lines", multiple=True, required=True, metavar="WHAT=AMOUNT", help="What is billed; may be repeated."
)
@click.option("--token", required=True, help="The token that it is billed in, by its address.")
@click.option("--due", type=Span(), default="30d", show_default=True, help="It is to be paid within so long.")
@click.option("--number", help="Its number; the seller's next one if left out.")
@click.option("--seller", default=OWN, show_default=True, metavar="KEY", help="The key that bills and signs.")
@click.option("--pay-to", help="Where it is to be paid, a key or an address; the seller's own if left out.")
@click.option("--from", "begin", type=INSTANT, help="When what is billed was sold first.")
@click.option("--to", "end", type=INSTANT, help="When it was sold last.")
@click.option("--channel", help="A payment channel of the buyer that is claimed for it, by its id.")
@click.option("--file", type=FILE, help="Where the invoice goes; invoice-NUMBER.json if left out.")
@in_workspace
@advised
def new(
    output: Output, tally: Tally, buyer: str, lines: tuple[str, ...], token: str, due: int, number: str | None,
    seller: str, pay_to: str | None, begin: int | None, end: int | None, channel: str | None, file: Path | None,
) -> None:  # fmt: skip
    """Bill BUYER, an address, or a wallet or a key of this workspace by name; the invoice is a file to be sent."""
    from tallystick.tally.agents.invoices import Bill, buyer_of, read_lines

    if (begin is None) != (end is None):
        raise InvalidInput("invoice.times", "a period has both ends", hint="say --from and --to")
    if file is not None and file.exists():
        raise InvalidInput("cli.exists", f"{file} is there already", hint="name another file with --file")
    coin = read_coin(tally.node, token)
    bill = Bill(
        buyer=buyer_of(tally, buyer),
        token=coin.address,
        lines=read_lines(coin, lines),
        due_s=due,
        period=None if begin is None or end is None else (begin, end),
        channel=None if channel is None else parse_hex32(channel, "channel"),
    )
    made = tally.agents.invoices.issue(bill, seller=seller, pay_to=pay_to, number=number)
    path = file or Path(f"invoice-{made.invoice.number.replace('/', '-')}.json")
    if path.exists():
        raise InvalidInput(
            "cli.exists", f"{path} is there already", hint="it is in the book: `tally agent invoice show --file`"
        )  # fmt: skip
    write_atomic(path, made.to_bytes())
    one = made.invoice
    output.result(
        {"number": one.number, "hash": one.hash().hex(), "amount": str(one.amount), "file": str(path)},
        f"invoice {one.number} over {coin.named(one.amount)}, due {say_time(one.due)}, is in {path}",
    )


@invoice.command("show")
@click.argument("name", required=False)
@click.option("--file", type=FILE, help="Write the invoice to this file, as it was signed.")
@in_workspace
@advised
def show(output: Output, tally: Tally, name: str | None, file: Path | None) -> None:
    """Show the invoice of a number or hash, or a file's, and what paid it; without NAME list the newest.

    A number that several sellers use shows the newest of them.
    """
    if name is None:
        found = tally.agents.invoices.book.all(100)
        rows = [
            (one.signed.invoice.number, one.side.value, one.signed.invoice.seller, one.signed.invoice.buyer,
             tally.agents.invoices.coin_of(one.signed.invoice).named(one.signed.invoice.amount), one.paid_by)
            for one in found
        ]  # fmt: skip
        listed = {
            "invoices": [one.signed.to_dict() | {"side": one.side.value, "paid_by": one.paid_by} for one in found]
        }
        output.result(listed, table("invoices", ("number", "side", "seller", "buyer", "amount", "known paid by"), rows))
        return
    signed = _find(tally, name)
    if file is not None:
        if file.exists():
            raise InvalidInput("cli.exists", f"{file} is there already", hint="name another file")
        write_atomic(file, signed.to_bytes())
    one, paid = signed.invoice, tally.agents.invoices.payment_of(signed)
    coin = tally.agents.invoices.coin_of(one)
    told = signed.to_dict() | {
        "hash": one.hash().hex(),
        "paid": None if paid is None else {"transaction": "0x" + paid.transaction.hex(), "how": paid.how},
    }
    items = [(each.what, coin.named(each.amount)) for each in one.lines]
    stands = f"paid in 0x{paid.transaction.hex()}: {paid.how}" if paid else "the chain shows no payment of it"
    head = f"invoice {one.number} of {one.seller} to {one.buyer}, {coin.named(one.amount)}, due {say_time(one.due)}"
    output.result(told, [head, table("", ("what", "amount"), items), f"to be paid to {one.pay_to}", stands])


@invoice.command("check")
@click.argument("file", type=FILE)
@click.option("--seller", help="Whom it is expected from, a key or an address.")
@click.option("--buyer", help="Who is to be billed, a key or an address.")
@click.option("--verbose", is_flag=True, help="Show every check.")
@in_workspace
@advised
def check(output: Output, tally: Tally, file: Path, seller: str | None, buyer: str | None, verbose: bool) -> int:
    """Check an invoice that came: form, sums, signature, chain; ends with 1 where something is wrong."""
    signed = _read(file)
    report = tally.agents.invoices.check(signed, seller=seller, buyer=buyer)
    output.report(report, {"hash": signed.invoice.hash().hex(), "number": signed.invoice.number}, verbose)
    if seller is None:
        output.note(f"it is signed by {signed.invoice.seller}; whether you owe that seller anything --seller says")
    return 0 if report.ok else EXIT_FAULTS_FOUND


@invoice.command("pay")
@click.argument("file", type=FILE)
@click.option("--seller", required=True, help="Whose invoice you mean to pay, a key or an address.")
@click.option("--max", "most", required=True, help="The most that is paid for it, a decimal amount of its token.")
@click.option("--wallet", help="The policy account that pays; without it the key pays itself.")
@click.option("--session", default=OWN, show_default=True, metavar="KEY", help="The key that signs: the session's.")
@yes_option
@in_workspace
@advised
def pay(
    output: Output, tally: Tally, file: Path, seller: str, most: str, wallet: str | None, session: str, yes: bool
) -> None:
    """Pay an invoice within limits, once: said again, it does nothing, or repeats the payment that is under way."""
    signed = _read(file)
    one = signed.invoice
    amount = tally.agents.invoices.coin_of(one).named(one.amount)
    output.confirm(f"Pay {amount} to {one.pay_to} for invoice {one.number} of {one.seller}?", yes)
    done = tally.agents.invoices.pay(signed, most, seller=seller, wallet=wallet, session=session, told=output.note)
    output.result(
        {
            "number": one.number,
            "hash": one.hash().hex(),
            "payment": done.booked.to_dict(),
            "transaction": done.transaction,
        },
        f"invoice {one.number} is paid: {amount} in {done.transaction}",
    )


@invoice.command("paid")
@click.argument("name")
@click.argument("transaction")
@in_workspace
@advised
def paid(output: Output, tally: Tally, name: str, transaction: str) -> None:
    """Record that TRANSACTION paid the invoice of a number or hash, if the chain shows a transfer that fits.

    Where payers' nonces are not free to choose, as those of policy accounts, this says which payment is meant.
    """
    one, done = tally.agents.invoices.note_paid(name, transaction)
    invoice_ = one.signed.invoice
    output.result(
        {"number": invoice_.number, "seller": invoice_.seller, "transaction": "0x" + done.transaction.hex(),
         "how": done.how},
        f"invoice {invoice_.number} of {invoice_.seller} is paid: {done.how}",
    )  # fmt: skip


def _read(path: Path) -> SignedInvoice:
    from tallystick.agents.bookkeeping.invoice import SignedInvoice

    data = read_bounded(path, INVOICE_BYTES_MAX)
    with reading(path, "`tally agent invoice new` writes an invoice; docs/spec/invoice.md says what it holds"):
        return SignedInvoice.from_bytes(data)


def _find(tally: Tally, name: str) -> SignedInvoice:
    """Return the invoice that a user means: one of the book, or a file's."""
    found = tally.agents.invoices.book.find(name)
    if found:
        return found[0].signed
    if not Path(name).exists():
        from tallystick.tally.agents.invoices import unknown

        raise unknown(name)
    return _read(Path(name))
