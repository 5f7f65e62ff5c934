"""The payer's book: what was signed in each channel, for which calls, and what receipts say that they cost.

    signed ──▶ settled       the payee's receipt says what it cost
       └─────▶ given_up      no receipt came: the voucher is out, and the payee may take what it gives

A call is written down before it is signed and signed before it is sent, and a signature by a key is the same each time;
so whoever comes back after a crash repeats the very same bytes. `spent` is what receipts say, `pending` the bounds of
calls without one; a new voucher covers both and the new call, never more than the deposit. So what a payee could take
beyond its receipts is `highest` less `spent`: the calls in flight, and the step that vouchers are signed ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.agents.channels.signing import CallReceipt, PaidCall, channel_id
from tallystick.chain.bindings.payment_channels import Terms
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import CHANNEL_CALLS_KEPT
from tallystick.store.book import Book, Form, Page

SIGNED: Final = "signed"
SETTLED: Final = "settled"
GIVEN_UP: Final = "given_up"

_FORM: Final = Form(
    "payer's book of channels",
    0x7A11_C4A2,
    (
        """
CREATE TABLE channels (
  id BLOB PRIMARY KEY, chain_id INTEGER NOT NULL, contract TEXT NOT NULL,
  payer TEXT NOT NULL, payee TEXT NOT NULL, authorizer TEXT NOT NULL,
  delay_s INTEGER NOT NULL, expires INTEGER NOT NULL, salt BLOB NOT NULL,
  receipt_key TEXT NOT NULL, deposit TEXT NOT NULL, step TEXT NOT NULL,
  highest TEXT NOT NULL, spent TEXT NOT NULL, pending TEXT NOT NULL, last INTEGER NOT NULL
) STRICT, WITHOUT ROWID""",
        """
CREATE TABLE calls (
  channel BLOB NOT NULL, number INTEGER NOT NULL, operation BLOB NOT NULL, bound TEXT NOT NULL,
  max_amount TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('signed', 'settled', 'given_up')),
  charged TEXT NOT NULL DEFAULT '0', spent TEXT NOT NULL DEFAULT '0', answer BLOB, receipt BLOB,
  PRIMARY KEY (channel, number)
) STRICT, WITHOUT ROWID""",
        "CREATE INDEX calls_open ON calls (channel, number) WHERE state = 'signed'",
    ),
)


@dataclass(frozen=True)
class Channel:
    """A channel that this payer pays over.

    receipt_key  whose receipts count
    deposit      as the chain had it when last told
    step         vouchers are signed so much ahead
    highest      of the vouchers that were signed
    spent        what receipts say
    pending      bounds of the calls without a receipt
    """

    id: bytes
    chain_id: int
    contract: str
    terms: Terms
    receipt_key: str
    deposit: int
    step: int
    highest: int
    spent: int
    pending: int
    last: int

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Channel:
        """Read a row of the table."""
        terms = Terms(row["payer"], row["payee"], row["authorizer"], row["delay_s"], row["expires"], row["salt"])
        return cls(
            id=row["id"],
            chain_id=row["chain_id"],
            contract=row["contract"],
            terms=terms,
            receipt_key=row["receipt_key"],
            deposit=int(row["deposit"]),
            step=int(row["step"]),
            highest=int(row["highest"]),
            spent=int(row["spent"]),
            pending=int(row["pending"]),
            last=row["last"],
        )

    @property
    def at_risk(self) -> int:
        """What the payee could take without having served for it."""
        return self.highest - min(self.spent, self.highest)


class PayerBook:
    """The book at `path`, made if absent, shared by any number of processes; raises as `store.book.Book`."""

    def __init__(self, path: Path) -> None:
        self._book = Book(path, _FORM)

    def close(self) -> None:
        """Close the file."""
        self._book.close()

    def add(
        self, terms: Terms, chain_id: int, contract: str, deposit: int, *, receipt_key: str = "", step: int = 0
    ) -> bytes:
        """Return the id of a channel that is in the book from here on; its deposit is the one told last.

        receipt_key  whose receipts count; the payee's own if left out
        step         vouchers are signed so much ahead: one serves many calls, and a payee could take so much more
        """
        known = channel_id(terms)
        values = (
            known, chain_id, contract, *terms.to_abi(), receipt_key or terms.payee, str(deposit), str(step),
        )  # fmt: skip
        with self._book.changing() as page:
            page.change(
                "INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '0', '0', '0', 0)"
                " ON CONFLICT (id) DO UPDATE SET deposit = excluded.deposit",
                values,
            )
        return known

    def channel(self, channel: bytes) -> Channel:
        """Return a channel; raises InvalidInput "channel.not_ours"."""
        with self._book.reading() as page:
            return _channel(page, channel)

    def channels(self) -> list[Channel]:
        """Return all channels, by id."""
        with self._book.reading() as page:
            return [Channel.read(row) for row in page.rows("SELECT * FROM channels ORDER BY id")]

    def reserve(self, channel: bytes, wanted: Sequence[tuple[bytes, int]]) -> list[PaidCall | InvalidInput]:
        """Return calls for (operation, bound) each, to be signed; they are on the disk.

        Among them InvalidInput "channel.exhausted" for those that the deposit does not cover.
        """
        with self._book.changing() as page:
            found = _channel(page, channel)
            highest, pending, number = found.highest, found.pending, found.last
            made: list[PaidCall | InvalidInput] = []
            for operation, bound in wanted:
                needed = found.spent + pending + bound
                if needed > found.deposit:
                    made.append(_exhausted(found.deposit - found.spent - pending, bound))
                    continue
                if needed > highest:
                    highest = min(needed + found.step, found.deposit)
                pending, number = pending + bound, number + 1
                made.append(PaidCall(channel, number, operation, bound, highest))
                page.change(
                    "INSERT INTO calls (channel, number, operation, bound, max_amount, state)"
                    " VALUES (?, ?, ?, ?, ?, 'signed')",
                    (channel, number, operation, str(bound), str(highest)),
                )
            page.change(
                "UPDATE channels SET highest = ?, pending = ?, last = ? WHERE id = ?",
                (str(highest), str(pending), number, channel),
            )
            _prune(page, channel, found.last, number)
        return made

    def settle(self, channel: bytes, receipts: Sequence[tuple[CallReceipt, bytes]]) -> None:
        """Record receipts, which were checked, with their signatures; one that is known changes nothing.

        What a power cut undoes of it the payee says again: the call is then repeated, and costs nothing.
        """
        with self._book.changing(durable=False) as page:
            found = _channel(page, channel)
            spent, pending = found.spent, found.pending
            for receipt, signature in receipts:
                rows = page.rows(
                    "SELECT bound, state FROM calls WHERE channel = ? AND number = ?", (channel, receipt.number)
                )
                if not rows or rows[0]["state"] == SETTLED:
                    continue
                if rows[0]["state"] == SIGNED:
                    pending -= int(rows[0]["bound"])
                spent += receipt.charged
                page.change(
                    "UPDATE calls SET state = 'settled', charged = ?, spent = ?, answer = ?, receipt = ?"
                    " WHERE channel = ? AND number = ?",
                    (str(receipt.charged), str(receipt.spent), receipt.answer, signature, channel, receipt.number),
                )
            page.change("UPDATE channels SET spent = ?, pending = ? WHERE id = ?", (str(spent), str(pending), channel))

    def proof(self, channel: bytes) -> tuple[CallReceipt, bytes] | None:
        """Return the payee's receipt that owns to have charged most, and its signature: more it may not claim."""
        with self._book.reading() as page:
            rows = page.rows("SELECT * FROM calls WHERE channel = ? AND state = 'settled'", (channel,))
        if not rows:
            return None
        row = max(rows, key=lambda one: int(one["spent"]))
        numbers = (int(row["charged"]), int(row["spent"]))
        return CallReceipt(channel, row["number"], row["operation"], *numbers, row["answer"]), row["receipt"]

    def give_up(self, channel: bytes, number: int) -> None:
        """Stop waiting for the receipt of a call: its bound is free again, its voucher stays what was signed.

        A payee that served it after all says so by its receipt, which `settle` still takes.
        """
        with self._book.changing() as page:
            rows = page.rows(
                "SELECT bound FROM calls WHERE channel = ? AND number = ? AND state = 'signed'", (channel, number)
            )
            if rows:
                found = _channel(page, channel)
                page.change("UPDATE calls SET state = 'given_up' WHERE channel = ? AND number = ?", (channel, number))
                pending = found.pending - int(rows[0]["bound"])
                page.change("UPDATE channels SET pending = ? WHERE id = ?", (str(pending), channel))

    def undecided(self, channel: bytes) -> list[PaidCall]:
        """Return the calls without a receipt, the oldest first: after a crash they are repeated as they were."""
        with self._book.reading() as page:
            sql = "SELECT * FROM calls WHERE channel = ? AND state = 'signed' ORDER BY number"
            return [_call(row) for row in page.rows(sql, (channel,))]


def _channel(page: Page, channel: bytes) -> Channel:
    rows = page.rows("SELECT * FROM channels WHERE id = ?", (channel,))
    if not rows:
        raise InvalidInput(
            "channel.not_ours", f"channel {channel.hex()} is not in this book",
            hint="`tally agent channel list` shows those that are",
        )  # fmt: skip
    return Channel.read(rows[0])


def _exhausted(left: int, bound: int) -> InvalidInput:
    return InvalidInput(
        "channel.exhausted", "the channel's deposit does not cover the call", expected=f"≤ {left}", got=bound,
        hint="top the channel up",
    )  # fmt: skip


def _call(row: Mapping[str, Any]) -> PaidCall:
    return PaidCall(row["channel"], row["number"], row["operation"], int(row["bound"]), int(row["max_amount"]))


def _prune(page: Page, channel: bytes, before: int, now: int) -> None:
    """Forget settled calls beyond the newest ones, once in a while."""
    if before // CHANNEL_CALLS_KEPT != now // CHANNEL_CALLS_KEPT:
        sql = "DELETE FROM calls WHERE channel = ? AND number <= ? AND state <> 'signed'"
        page.change(sql, (channel, now - CHANNEL_CALLS_KEPT))
