"""The seller's book of claims: which payments it has taken up, for what, and how far each has come.

    claimed ──▶ settling ──▶ settled        what was answered lies beside it, to be given again
       │            └──────▶ refused
       └───▶ released                        the work failed: nothing was settled, the payment may be used again

Network, asset, payer and nonce are unique, so of any number of requests with one payment, in any number of processes,
one does the work. Who works holds the claim for a time; whoever comes after that finds a crash and takes it over. No
rule lives here but those that SQL keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.agents.payments.outcomes import Claimable
from tallystick.agents.payments.wire import Payment, Requirements, read_json, write_text
from tallystick.core.limits import PAYMENT_DELIVERIES_MAX, PAYMENT_RESUME_MAX
from tallystick.store.book import Book, Form, Page

CLAIMED: Final = "claimed"
SETTLING: Final = "settling"
SETTLED: Final = "settled"
RELEASED: Final = "released"
REFUSED: Final = "refused"
STATES: Final = (CLAIMED, SETTLING, SETTLED, RELEASED, REFUSED)

_FORM: Final = Form(
    "book of claims",
    0x7A11_0CA5,
    (
        """
CREATE TABLE claims (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  network TEXT NOT NULL, asset TEXT NOT NULL, payer TEXT NOT NULL, nonce BLOB NOT NULL,
  payee TEXT NOT NULL, amount TEXT NOT NULL, valid_before INTEGER NOT NULL,
  digest BLOB NOT NULL, operation BLOB NOT NULL, payment_id TEXT,
  payment TEXT NOT NULL, requirements TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('claimed', 'settling', 'settled', 'released', 'refused')),
  holder BLOB, held_until REAL NOT NULL, reason TEXT NOT NULL DEFAULT '',
  settlement TEXT NOT NULL DEFAULT '', answer BLOB, answer_digest BLOB, entry BLOB,
  refund TEXT NOT NULL DEFAULT '', refunded TEXT NOT NULL DEFAULT '',
  deliveries INTEGER NOT NULL DEFAULT 0,
  claimed_s REAL NOT NULL, changed_s REAL NOT NULL,
  UNIQUE (network, asset, payer, nonce), UNIQUE (payer, payment_id),
  CHECK ((settlement <> '') = (state = 'settled'))
) STRICT""",
        "CREATE INDEX claims_open ON claims (state) WHERE state IN ('claimed', 'settling')",
        "CREATE INDEX claims_due ON claims (refund) WHERE refund <> ''",
    ),
)

_ACCOUNTED: Final = (
    "id, network, asset, payer, nonce, payee, amount, valid_before, digest, operation, payment_id, payment,"
    " requirements, state, holder, held_until, reason, settlement, NULL AS answer, answer_digest, entry, refund,"
    " refunded, deliveries, claimed_s"
)  # all but the answers, which may be a megabyte each


@dataclass(frozen=True)
class Claim:
    """One payment that was taken up.

    holder      whoever works on it, until `held_until`
    settlement  what travels of its settlement, empty before
    answer      what was sold, None where it was not kept
    answer_digest, entry  SHA-256 of what was sold, and the log's entry of its inference receipt, for the seller's own
    deliveries  how often an answer that was not kept has been made again
    refund      why the payer is owed its money back, empty where it is not
    refunded    the transaction that gave it back
    """

    id: int
    key: Claimable
    operation: bytes
    payment_id: str | None
    payment: Payment
    requirements: Requirements
    state: str
    holder: bytes | None
    held_until: float
    reason: str
    settlement: Mapping[str, Any]
    answer: bytes | None
    answer_digest: bytes | None
    entry: bytes | None
    deliveries: int
    refund: str
    refunded: str
    claimed_s: float

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Claim:
        """Read a row of the table."""
        key = Claimable(
            row["network"], row["asset"], row["payer"], row["payee"], int(row["amount"]), row["nonce"], row["digest"],
            row["valid_before"],
        )  # fmt: skip
        return cls(
            id=row["id"],
            key=key,
            operation=row["operation"],
            payment_id=row["payment_id"],
            payment=Payment.read(_parsed(row["payment"])),
            requirements=Requirements.read(_parsed(row["requirements"])),
            state=row["state"],
            holder=row["holder"],
            held_until=row["held_until"],
            reason=row["reason"],
            settlement=_parsed(row["settlement"]) if row["settlement"] else {},
            answer=row["answer"],
            answer_digest=row["answer_digest"],
            entry=row["entry"],
            deliveries=row["deliveries"],
            refund=row["refund"],
            refunded=row["refunded"],
            claimed_s=row["claimed_s"],
        )

    def is_held(self, now_s: float) -> bool:
        """Whether somebody works on it."""
        return self.holder is not None and now_s < self.held_until


class Claims:
    """The book at `path`; raises as `store.book.Book`."""

    def __init__(self, path: Path) -> None:
        self._book = Book(path, _FORM)

    def close(self) -> None:
        """Close the file."""
        self._book.close()

    def find(self, key: Claimable, payment_id: str | None = None) -> Claim | None:
        """Return the claim of a payment, or else the one that its payer made under this identifier."""
        with self._book.reading() as page:
            return _find(page, key, payment_id)

    def open(
        self,
        key: Claimable,
        operation: bytes,
        payment_id: str | None,
        payment: Payment,
        requirements: Requirements,
        holder: bytes,
        now_s: float,
        hold_s: float,
    ) -> Claim | None:
        """Return a new claim that `holder` holds, None where somebody has made it before."""
        values = (
            key.network, key.asset, key.payer, key.nonce, key.payee, str(key.amount), key.valid_before, key.digest,
            operation, payment_id, write_text(payment.to_dict()), write_text(requirements.raw), holder,
            now_s + hold_s, now_s, now_s,
        )  # fmt: skip
        with self._book.changing() as page:
            if _find(page, key, payment_id) is not None:
                return None
            page.change(
                "INSERT INTO claims (network, asset, payer, nonce, payee, amount, valid_before, digest, operation,"
                " payment_id, payment, requirements, state, holder, held_until, claimed_s, changed_s)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'claimed', ?, ?, ?, ?)",
                values,
            )
            return _find(page, key, None)

    def take_over(self, claim: Claim, holder: bytes, now_s: float, hold_s: float) -> Claim | None:
        """Return the claim in the hands of `holder`; None where another was faster or still holds it.

        A claim that was released or refused is a claim again; of a settled one the work is done again, which counts.
        """
        with self._book.changing() as page:
            changed = page.change(
                "UPDATE claims SET holder = ?, held_until = ?, changed_s = ?, reason = '',"
                " deliveries = deliveries + (state = 'settled'),"
                " state = CASE WHEN state IN ('released', 'refused') THEN 'claimed' ELSE state END"
                " WHERE id = ? AND state = ? AND (holder IS NULL OR held_until <= ?)",
                (holder, now_s + hold_s, now_s, claim.id, claim.state, now_s),
            )
            return _by_id(page, claim.id) if changed else None

    def move(self, claim: Claim, state: str, now_s: float, **changes: object) -> Claim | None:
        """Return the claim in another state, with other columns changed; None where `claim` is not as it stands.

        A claim that is over, or whose outcome is not known, is in nobody's hands unless `holder` is among the changes.
        """
        columns = {"holder": None, **changes, "state": state, "changed_s": now_s}
        written = ", ".join(f"{name} = ?" for name in columns)  # names of ours, no input
        with self._book.changing() as page:
            changed = page.change(
                f"UPDATE claims SET {written} WHERE id = ? AND state = ? AND holder IS ?",  # noqa: S608
                (*columns.values(), claim.id, claim.state, claim.holder),
            )
            return _by_id(page, claim.id) if changed else None

    def settle(self, claim: Claim, settlement: Mapping[str, Any], now_s: float, *, keep_hold: bool) -> None:
        """Record that the money moved, whatever was thought before; the claim is let go of, or held on to."""
        kept = "holder" if keep_hold else "CASE WHEN holder IS ? THEN NULL ELSE holder END"
        values = (write_text(settlement), now_s, *(() if keep_hold else (claim.holder,)), claim.id)
        sql = f"UPDATE claims SET state = 'settled', reason = '', settlement = ?, changed_s = ?, holder = {kept}"  # noqa: S608
        with self._book.changing() as page:
            page.change(f"{sql} WHERE id = ? AND state <> 'settled'", values)

    def drop_identifier(self, claim: Claim) -> None:
        """Free the identifier of a payment that can no longer be settled, for another of its payer."""
        with self._book.changing() as page:
            sql = "UPDATE claims SET payment_id = NULL WHERE id = ? AND state IN ('released', 'refused')"
            page.change(sql, (claim.id,))

    def forget_answers(self, before_s: float) -> int:
        """Drop the answers of what was settled before then, which are not given again; return how many."""
        with self._book.changing() as page:
            sql = "UPDATE claims SET answer = NULL, deliveries = ? WHERE state = 'settled' AND answer IS NOT NULL"
            return page.change(f"{sql} AND changed_s < ?", (PAYMENT_DELIVERIES_MAX, before_s))

    def unsettled(self, now_s: float) -> list[Claim]:
        """Return the claims whose settlement was begun, has no outcome and is in nobody's hands, the oldest first."""
        return self._select(
            "state = 'settling' AND (holder IS NULL OR held_until <= ?) ORDER BY id LIMIT ?", now_s, PAYMENT_RESUME_MAX
        )

    def owed(self) -> list[Claim]:
        """Return the settled claims whose payer is owed its money back and has not got it."""
        return self._select("refund <> '' AND refunded = '' ORDER BY id LIMIT ?", PAYMENT_RESUME_MAX)

    def newest(self, limit: int) -> list[Claim]:
        """Return the newest claims, youngest first."""
        return self._select("true ORDER BY id DESC LIMIT ?", limit)

    def all(self, limit: int) -> list[Claim]:
        """Return the newest claims without what was sold, the oldest of these first."""
        with self._book.reading() as page:
            rows = page.rows(f"SELECT {_ACCOUNTED} FROM claims ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608
        return [Claim.read(row) for row in reversed(rows)]

    def refund(self, claim: Claim, transaction: str) -> bool:
        """Record that the money was given back; return whether nobody had recorded that before."""
        with self._book.changing() as page:
            sql = "UPDATE claims SET refunded = ? WHERE id = ? AND refund <> '' AND refunded = ''"
            return bool(page.change(sql, (transaction, claim.id)))

    def _select(self, condition: str, *values: object) -> list[Claim]:
        with self._book.reading() as page:
            return [Claim.read(row) for row in page.rows(f"SELECT * FROM claims WHERE {condition}", values)]  # noqa: S608


def _find(page: Page, key: Claimable, payment_id: str | None) -> Claim | None:
    where = "network = ? AND asset = ? AND payer = ? AND nonce = ?"
    found = page.rows(f"SELECT * FROM claims WHERE {where}", (key.network, key.asset, key.payer, key.nonce))  # noqa: S608
    if not found and payment_id is not None:
        found = page.rows("SELECT * FROM claims WHERE payer = ? AND payment_id = ?", (key.payer, payment_id))
    return Claim.read(found[0]) if found else None


def _by_id(page: Page, claim_id: int) -> Claim:
    rows: Sequence[Mapping[str, Any]] = page.rows("SELECT * FROM claims WHERE id = ?", (claim_id,))
    return Claim.read(rows[0])


def _parsed(text: str) -> dict[str, Any]:
    return read_json(text.encode(), "claim")
