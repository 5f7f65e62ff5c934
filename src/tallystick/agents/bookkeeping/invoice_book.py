"""The book of invoices: what was issued, each number once; what came in, each seller's number once; what paid them.

A second invoice with a number that is taken is refused unless it is the same to the letter, on both sides. So a seller
cannot bill twice by accident, and a buyer sees when somebody tries to have one number paid twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from tallystick.agents.bookkeeping.invoice import SignedInvoice
from tallystick.core.errors import InvalidInput
from tallystick.store.book import Book, Form, Page

_FORM: Final = Form(
    "book of invoices",
    0x7A11_1A00,
    (
        """
CREATE TABLE invoices (
  side TEXT NOT NULL CHECK (side IN ('issued', 'received')),
  network TEXT NOT NULL, seller TEXT NOT NULL, number TEXT NOT NULL, hash BLOB NOT NULL, document BLOB NOT NULL,
  paid_by TEXT NOT NULL DEFAULT '', filed_s REAL NOT NULL,
  PRIMARY KEY (side, network, seller, number), UNIQUE (side, hash)
) STRICT""",
    ),
)


class Side(Enum):
    """Whose invoice it is: issued by this workspace, or received by it."""

    ISSUED = "issued"
    RECEIVED = "received"


@dataclass(frozen=True)
class Filed:
    """An invoice in the book; `paid_by` is the transaction that is known to have paid it, "" for none."""

    side: Side
    signed: SignedInvoice
    paid_by: str
    filed_s: float

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Filed:
        """Read a row of the table."""
        return cls(Side(row["side"]), SignedInvoice.from_bytes(row["document"]), row["paid_by"], row["filed_s"])


class InvoiceBook:
    """The book at `path`; raises as `store.book.Book`."""

    def __init__(self, path: Path) -> None:
        self._book = Book(path, _FORM)

    def close(self) -> None:
        """Close the file."""
        self._book.close()

    def issue(
        self, network: str, seller: str, number: str | None, make: Callable[[str], SignedInvoice], now_s: float
    ) -> SignedInvoice:
        """Return an invoice that is in the book from here on, under this number or the seller's next one.

        make    signs the invoice of a number
        raises  InvalidInput "invoice.number_used" where another invoice of the seller has it
        """
        with self._book.changing() as page:
            chosen = _next_number(page, network, seller) if number is None else number
            signed = make(chosen)
            _file(page, Side.ISSUED, signed, now_s)
        return signed

    def receive(self, signed: SignedInvoice, now_s: float) -> Filed:
        """Return an invoice, whose signature was checked, as the book has it from here on.

        raises  InvalidInput "invoice.number_used" where this seller sent another one of the same number
        """
        with self._book.changing() as page:
            return _file(page, Side.RECEIVED, signed, now_s)

    def record_paid(self, side: Side, invoice: bytes, transaction: str) -> None:
        """Record what paid an invoice, by its hash; what was recorded before stays."""
        with self._book.changing() as page:
            page.change(
                "UPDATE invoices SET paid_by = ? WHERE side = ? AND hash = ? AND paid_by = ''",
                (transaction, side.value, invoice),
            )

    def find(self, name: str) -> list[Filed]:
        """Return the invoices of a number, or of a hash in hex, the newest first."""
        with self._book.reading() as page:
            sql = "SELECT * FROM invoices WHERE number = ? OR lower(hex(hash)) = ? ORDER BY filed_s DESC, rowid DESC"
            return [Filed.read(row) for row in page.rows(sql, (name, name.removeprefix("0x").lower()))]

    def all(self, limit: int) -> list[Filed]:
        """Return the newest invoices, the oldest of these first."""
        with self._book.reading() as page:
            rows = page.rows("SELECT * FROM invoices ORDER BY filed_s DESC, rowid DESC LIMIT ?", (limit,))
        return [Filed.read(row) for row in reversed(rows)]


def _file(page: Page, side: Side, signed: SignedInvoice, now_s: float) -> Filed:
    one = signed.invoice
    where = (side.value, one.network, one.seller, one.number)
    sql = "SELECT * FROM invoices WHERE side = ? AND network = ? AND seller = ? AND number = ?"
    known = page.rows(sql, where)
    if not known:
        values = (*where, one.hash(), signed.to_bytes(), now_s)
        page.change(
            "INSERT INTO invoices (side, network, seller, number, hash, document, filed_s)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        return Filed(side, signed, "", now_s)
    if known[0]["hash"] != one.hash():
        raise InvalidInput(
            "invoice.number_used", f"another invoice of {one.seller} has the number {one.number}",
            expected=known[0]["hash"].hex(), got=one.hash().hex(),
            hint="a number is used once: take the next one, or ask the seller which of the two is meant",
        )  # fmt: skip
    return Filed.read(known[0])


def _next_number(page: Page, network: str, seller: str) -> str:
    """Return one more than the largest number of digits alone that the seller has used."""
    sql = "SELECT number FROM invoices WHERE side = 'issued' AND network = ? AND seller = ?"
    used = [int(row["number"]) for row in page.rows(sql, (network, seller)) if row["number"].isdigit()]
    return str(max(used, default=0) + 1)
