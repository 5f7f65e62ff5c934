"""The payer's book: every payment from before it is signed until its outcome is known, and who was paid where.

    reserved ──▶ signed ──▶ settled
        └───────────┴─────▶ released       never left, or can no longer be settled

What was signed lies here before it leaves, so whatever crashes, the same payment can be sent again, and no second one
is signed in its place. Amounts that are reserved or signed count as spent until the chain says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.agents.payments.outcomes import Candidate, Claimable
from tallystick.agents.payments.wire import Payment, Requirements, Settlement, read_json, write_text
from tallystick.core.errors import Unavailable
from tallystick.core.limits import PURSE_RESERVED_S
from tallystick.store.book import Book, Form, Page

RESERVED: Final = "reserved"
SIGNED: Final = "signed"
SETTLED: Final = "settled"
RELEASED: Final = "released"
UNDECIDED: Final = (RESERVED, SIGNED)

_UNDECIDED: Final = "SELECT * FROM payments WHERE state IN ('reserved', 'signed')"

_FORM: Final = Form(
    "book of payments",
    0x7A11_0BA6,
    (
        """
CREATE TABLE payments (
  id TEXT PRIMARY KEY,
  network TEXT NOT NULL, asset TEXT NOT NULL, payer TEXT NOT NULL, nonce BLOB NOT NULL,
  payee TEXT NOT NULL, amount TEXT NOT NULL, operation BLOB NOT NULL, resource TEXT NOT NULL,
  requirements TEXT NOT NULL, payment TEXT NOT NULL DEFAULT '', digest BLOB, valid_before INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK (state IN ('reserved', 'signed', 'settled', 'released')),
  settlement TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', from_block INTEGER NOT NULL,
  made_s REAL NOT NULL, changed_s REAL NOT NULL,
  UNIQUE (network, asset, payer, nonce),
  CHECK ((payment <> '') OR state IN ('reserved', 'released'))
) STRICT""",
        "CREATE INDEX payments_open ON payments (operation) WHERE state IN ('reserved', 'signed')",
        "CREATE INDEX payments_spent ON payments (network, asset, payer, made_s)",
        "CREATE TABLE payees (origin TEXT NOT NULL, network TEXT NOT NULL, payee TEXT NOT NULL, seen_s REAL NOT NULL,"
        " PRIMARY KEY (origin, network)) STRICT, WITHOUT ROWID",
    ),
)


@dataclass(frozen=True)
class Booked:
    """One payment in the book.

    id          names it, here and to the seller
    payment     what was signed, None before
    settlement  what the seller said of it last
    note        why it is where it is, in words
    from_block  the chain was here when it was signed: its transfer cannot be earlier
    """

    id: str
    network: str
    asset: str
    payer: str
    payee: str
    amount: int
    nonce: bytes
    operation: bytes
    resource: str
    requirements: Requirements
    payment: Payment | None
    valid_before: int
    state: str
    settlement: Settlement | None
    note: str
    from_block: int
    made_s: float

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Booked:
        """Read a row of the table."""
        payment, settlement = row["payment"], row["settlement"]
        return cls(
            id=row["id"],
            network=row["network"],
            asset=row["asset"],
            payer=row["payer"],
            payee=row["payee"],
            amount=int(row["amount"]),
            nonce=row["nonce"],
            operation=row["operation"],
            resource=row["resource"],
            requirements=Requirements.read(_parsed(row["requirements"])),
            payment=Payment.read(_parsed(payment)) if payment else None,
            valid_before=row["valid_before"],
            state=row["state"],
            settlement=Settlement.read(_parsed(settlement)) if settlement else None,
            note=row["note"],
            from_block=row["from_block"],
            made_s=row["made_s"],
        )

    @property
    def claim(self) -> Claimable:
        """What the chain knows the payment by."""
        return Claimable(
            self.network, self.asset, self.payer, self.payee, self.amount, self.nonce, b"", self.valid_before
        )

    @property
    def is_undecided(self) -> bool:
        """Whether the money may still move."""
        return self.state in UNDECIDED

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON members; the amount in smallest units."""
        told = self.settlement
        return {
            "id": self.id, "state": self.state, "network": self.network, "asset": self.asset, "payer": self.payer,
            "payee": self.payee, "amount": str(self.amount), "operation": self.operation.hex(),
            "resource": self.resource, "valid_before": self.valid_before, "note": self.note,
            "transaction": told.transaction if told is not None else "",
        }  # fmt: skip


class PurseBook:
    """The book at `path`, shared by every process that pays from it; raises as `store.book.Book`."""

    def __init__(self, path: Path) -> None:
        self._book = Book(path, _FORM)

    def close(self) -> None:
        """Close the file."""
        self._book.close()

    def reserve(
        self,
        payment_id: str,
        payer: str,
        payee: str,
        requirements: Requirements,
        operation: bytes,
        resource: str,
        candidates: Iterable[Candidate],
        spent_max: int | None,
        since_s: float,
        from_block: int,
        now_s: float,
    ) -> Candidate | None:
        """Return the first candidate that was not used, now reserved for this payment; None where none is left.

        spent_max  no more than this may have been spent since then, this payment with it; None: no such limit
        raises     Undecided where the operation has a payment whose outcome is not known; OverBudget
        """
        named = (requirements.network, requirements.asset, payer)
        with self._book.changing() as page:
            page.change(
                "UPDATE payments SET state = 'released', note = 'never signed', changed_s = ?"
                " WHERE operation = ? AND state = 'reserved' AND made_s < ?",
                (now_s, operation, now_s - PURSE_RESERVED_S),
            )
            open_ones = page.rows(f"{_UNDECIDED} AND operation = ?", (operation,))
            if open_ones:
                raise Undecided(Booked.read(open_ones[0]))
            spent = _spent(page, *named, since_s)
            if spent_max is not None and spent + requirements.amount > spent_max:
                raise OverBudget(spent)
            for candidate in candidates:
                made = page.change(
                    "INSERT INTO payments (id, network, asset, payer, nonce, payee, amount, operation, resource,"
                    " requirements, state, from_block, made_s, changed_s)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'reserved', ?, ?, ?) ON CONFLICT DO NOTHING",
                    (payment_id, *named, candidate.nonce, payee, str(requirements.amount), operation, resource,
                     write_text(requirements.raw), from_block, now_s, now_s),
                )  # fmt: skip
                if made:
                    return candidate
        return None

    def sign(self, payment_id: str, payment: Payment, digest: bytes, valid_before: int, now_s: float) -> Booked:
        """Return the payment that is signed, once that is on the disk; it may leave from here on, and no earlier.

        raises  Unavailable "payment.late" where signing took so long that the reservation was given up
        """
        with self._book.changing() as page:
            changed = page.change(
                "UPDATE payments SET state = 'signed', payment = ?, digest = ?, valid_before = ?, changed_s = ?"
                " WHERE id = ? AND state = 'reserved'",
                (write_text(payment.to_dict()), digest, valid_before, now_s, payment_id),
            )
            if not changed:
                raise Unavailable("payment.late", "the reservation was given up before it was signed", hint="try again")
            return _by_id(page, payment_id)

    def tell(self, payment_id: str, state: str, settlement: Settlement | None, note: str, now_s: float) -> Booked:
        """Return the payment in the state that was found out; what is settled or released stays so."""
        told = "" if settlement is None else write_text(settlement.to_dict())
        with self._book.changing() as page:
            page.change(
                "UPDATE payments SET state = ?, settlement = CASE WHEN ? = '' THEN settlement ELSE ? END, note = ?,"
                " changed_s = ? WHERE id = ? AND state IN ('reserved', 'signed')",
                (state, told, told, note, now_s, payment_id),
            )
            return _by_id(page, payment_id)

    def find(self, payment_id: str) -> Booked | None:
        """Return a payment, None where there is none of this id."""
        with self._book.reading() as page:
            rows = page.rows("SELECT * FROM payments WHERE id = ?", (payment_id,))
        return Booked.read(rows[0]) if rows else None

    def undecided(self, operation: bytes | None = None) -> list[Booked]:
        """Return the payments whose money may still move, of one operation or of all, the oldest first."""
        condition, values = ("", ()) if operation is None else (" AND operation = ?", (operation,))
        with self._book.reading() as page:
            return [Booked.read(row) for row in page.rows(f"{_UNDECIDED}{condition} ORDER BY made_s", values)]

    def newest(self, limit: int) -> list[Booked]:
        """Return the newest payments, youngest first."""
        with self._book.reading() as page:
            rows = page.rows("SELECT * FROM payments ORDER BY made_s DESC, id LIMIT ?", (limit,))
        return [Booked.read(row) for row in rows]

    def of_operation(self, operation: bytes) -> list[Booked]:
        """Return the payments for an operation, the oldest first, whatever came of them."""
        with self._book.reading() as page:
            rows = page.rows("SELECT * FROM payments WHERE operation = ? ORDER BY made_s", (operation,))
        return [Booked.read(row) for row in rows]

    def spent(self, network: str, asset: str, payer: str, since_s: float) -> int:
        """Return what was spent since then, with what may still be."""
        with self._book.reading() as page:
            return _spent(page, network, asset, payer, since_s)

    # --- payees

    def payee(self, origin: str, network: str) -> str | None:
        """Return whom payments to an origin went to first, None where it was never paid."""
        with self._book.reading() as page:
            rows = page.rows("SELECT payee FROM payees WHERE origin = ? AND network = ?", (origin, network))
        return str(rows[0]["payee"]) if rows else None

    def pin(self, origin: str, network: str, payee: str, now_s: float) -> str:
        """Return whom payments to an origin go to: who was there first, or now this one."""
        with self._book.changing() as page:
            page.change("INSERT OR IGNORE INTO payees VALUES (?, ?, ?, ?)", (origin, network, payee, now_s))
            rows = page.rows("SELECT payee FROM payees WHERE origin = ? AND network = ?", (origin, network))
        return str(rows[0]["payee"])

    def unpin(self, origin: str) -> int:
        """Forget whom payments to an origin went to; return on how many networks."""
        with self._book.changing() as page:
            return page.change("DELETE FROM payees WHERE origin = ?", (origin,))


class Undecided(Exception):
    """The operation has a payment whose outcome is not known: that one is to be sent again."""

    def __init__(self, booked: Booked) -> None:
        super().__init__(booked.id)
        self.booked = booked


class OverBudget(Exception):
    """More would be spent than may be; what was spent already is with it."""

    def __init__(self, spent: int) -> None:
        super().__init__(spent)
        self.spent = spent


def _spent(page: Page, network: str, asset: str, payer: str, since_s: float) -> int:
    sql = "SELECT amount FROM payments WHERE network = ? AND asset = ? AND payer = ? AND state <> 'released'"
    return sum(int(row["amount"]) for row in page.rows(f"{sql} AND made_s >= ?", (network, asset, payer, since_s)))


def _by_id(page: Page, payment_id: str) -> Booked:
    return Booked.read(page.rows("SELECT * FROM payments WHERE id = ?", (payment_id,))[0])


def _parsed(text: str) -> dict[str, Any]:
    return read_json(text.encode(), "payment")
