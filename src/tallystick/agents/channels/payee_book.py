"""The payee's book: the highest voucher of each channel, what was charged, and the answers of the newest calls.

    taken ──▶ done      charged and answered; the same call again gets the same answer
      └─────▶ lost      whoever worked on it died before it was done: nothing was charged, the call may be made again

What a channel owes is `spent`, what is being worked on `pending`, and together they never exceed the highest voucher.
Each method is one transaction over many calls; a charge, its answer and the voucher that pays for it are on the disk
when `finish` returns. Any number of processes share the file. `payee.py` looks at signatures and at the chain, before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.agents.channels.holders import Holder
from tallystick.agents.channels.signing import CallReceipt, PaidCall, SignedCall
from tallystick.chain.bindings.payment_channels import Terms
from tallystick.core.errors import Broken, InvalidInput, TallystickError, Unavailable
from tallystick.core.limits import CHANNEL_CALLS_KEPT
from tallystick.store.book import Book, Form, Page

TAKEN: Final = "taken"
DONE: Final = "done"
LOST: Final = "lost"

_FORM: Final = Form(
    "payee's book of channels",
    0x7A11_C4A1,
    (
        """
CREATE TABLE channels (
  id BLOB PRIMARY KEY, payer TEXT NOT NULL, payee TEXT NOT NULL, authorizer TEXT NOT NULL,
  delay_s INTEGER NOT NULL, expires INTEGER NOT NULL, salt BLOB NOT NULL,
  highest TEXT NOT NULL, voucher BLOB NOT NULL, spent TEXT NOT NULL, pending TEXT NOT NULL, claimed TEXT NOT NULL,
  floor INTEGER NOT NULL, last INTEGER NOT NULL, settled_s REAL NOT NULL
) STRICT, WITHOUT ROWID""",
        """
CREATE TABLE calls (
  channel BLOB NOT NULL, number INTEGER NOT NULL, operation BLOB NOT NULL, bound TEXT NOT NULL,
  max_amount TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('taken', 'done', 'lost')), holder TEXT NOT NULL,
  charged TEXT NOT NULL DEFAULT '0', spent TEXT NOT NULL DEFAULT '0', digest BLOB, answer BLOB,
  PRIMARY KEY (channel, number)
) STRICT, WITHOUT ROWID""",
        "CREATE INDEX calls_open ON calls (holder) WHERE state = 'taken'",
    ),
)


@dataclass(frozen=True)
class Account:
    """What the book says of a channel.

    highest  of the vouchers that came in, and its signature
    spent    what was charged
    pending  bounds of the calls that are being worked on
    claimed  what the chain was last seen to have paid of it
    """

    id: bytes
    terms: Terms
    highest: int
    voucher: bytes
    spent: int
    pending: int
    claimed: int
    floor: int
    last: int
    settled_s: float

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Account:
        """Read a row of the table."""
        terms = Terms(row["payer"], row["payee"], row["authorizer"], row["delay_s"], row["expires"], row["salt"])
        return cls(
            id=row["id"],
            terms=terms,
            highest=int(row["highest"]),
            voucher=row["voucher"],
            spent=int(row["spent"]),
            pending=int(row["pending"]),
            claimed=int(row["claimed"]),
            floor=row["floor"],
            last=row["last"],
            settled_s=row["settled_s"],
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """A call whose signatures were checked, and how much of the channel's deposit there is."""

    terms: Terms
    signed: SignedCall
    deposit: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that was taken up: the work may be done, by whoever has this."""

    call: PaidCall


@dataclass(frozen=True, slots=True)
class Done:
    """A call that is charged and answered: now, or before."""

    receipt: CallReceipt
    answer: bytes


@dataclass(frozen=True, slots=True)
class Work:
    """What came of a call: the answer and what it costs."""

    call: PaidCall
    charged: int
    digest: bytes
    answer: bytes


class PayeeBook:
    """The book at `path`, made if absent; raises as `store.book.Book`."""

    def __init__(self, path: Path) -> None:
        self._book = Book(path, _FORM)
        self._holder = Holder(path)
        self.release_dead()

    def close(self) -> None:
        """Close the file; what is in hand may be taken over."""
        self._holder.close()
        self._book.close()

    def take(self, offers: Sequence[Offer]) -> list[Taken | Done | TallystickError]:
        """Return what is to be done about each call; every process that shares the book knows what is taken.

        A power cut may undo it, and then nothing was answered and nothing is charged: `finish` makes it last.


        errors among what is returned: InvalidInput "channel.number", "channel.old_number", "channel.short";
        Unavailable "channel.in_work"
        """
        with self._book.changing(durable=False) as page:
            accounts: dict[bytes, _Sums] = {}
            answers = [self._take(page, accounts, one) for one in offers]
            _write(page, accounts.values())
        return answers

    def check(self, offer: Offer) -> None:
        """Return if the highest voucher, this one included, covers a new call; raises InvalidInput "channel.short"."""
        with self._book.reading() as page:
            rows = page.rows("SELECT * FROM channels WHERE id = ?", (offer.signed.call.channel,))
        short = _short(_Sums(rows[0]) if rows else None, offer)
        if short is not None:
            raise short

    def finish(self, works: Sequence[Work]) -> list[Done]:
        """Return what was charged for each call that was taken; it is on the disk, with the answer.

        raises  Broken "channel.not_taken", "channel.charge"
        """
        with self._book.changing() as page:
            accounts: dict[bytes, _Sums] = {}
            finished = [self._finish(page, accounts, one) for one in works]
            _write(page, accounts.values())
            for sums in accounts.values():
                sums.prune(page)
        return finished

    def voucher(self, channel: bytes) -> tuple[int, bytes]:
        """Return the highest voucher of a channel and its signature; (0, b"") for a channel that is not in the book."""
        with self._book.reading() as page:
            rows = page.rows("SELECT highest, voucher FROM channels WHERE id = ?", (channel,))
        return (int(rows[0]["highest"]), rows[0]["voucher"]) if rows else (0, b"")

    def account(self, channel: bytes) -> Account | None:
        """Return what the book says of a channel; None where it is not in it."""
        with self._book.reading() as page:
            rows = page.rows("SELECT * FROM channels WHERE id = ?", (channel,))
        return Account.read(rows[0]) if rows else None

    def accounts(self) -> list[Account]:
        """Return all channels, by id."""
        with self._book.reading() as page:
            return [Account.read(row) for row in page.rows("SELECT * FROM channels ORDER BY id")]

    def record_claimed(self, channel: bytes, claimed: int, now_s: float) -> None:
        """Record what the chain has paid of a channel."""
        with self._book.changing() as page:
            page.change("UPDATE channels SET claimed = ?, settled_s = ? WHERE id = ?", (str(claimed), now_s, channel))

    def release_dead(self) -> int:
        """Let go of what dead processes had taken and not done, and return how many calls that were."""
        with self._book.changing() as page:
            names = [row["holder"] for row in page.rows("SELECT DISTINCT holder FROM calls WHERE state = 'taken'")]
            dead = [name for name in names if not self._holder.is_alive(name)]
            accounts: dict[bytes, _Sums] = {}
            rows = [
                row
                for name in dead
                for row in page.rows("SELECT * FROM calls WHERE holder = ? AND state = 'taken'", (name,))
            ]
            for row in rows:
                _Sums.of(page, accounts, row["channel"]).pending -= int(row["bound"])
                _move(page, row, LOST, self._holder.name)
            _write(page, accounts.values())
        return len(rows)

    # --- parts

    def _take(self, page: Page, accounts: dict[bytes, _Sums], offer: Offer) -> Taken | Done | TallystickError:
        call = offer.signed.call
        sums = _Sums.of(page, accounts, call.channel, offer.terms)
        rows = page.rows("SELECT * FROM calls WHERE channel = ? AND number = ?", (call.channel, call.number))
        if rows:
            known = self._known(page, sums, rows[0], call)
            if known is not None:
                return known
        elif call.number <= sums.floor:
            return InvalidInput(
                "channel.old_number", "the number is too old", expected=f"> {sums.floor}", got=call.number
            )
        short = _short(sums, offer)
        if short is not None:
            return short
        if call.max_amount > sums.highest:
            sums.highest, sums.voucher = call.max_amount, offer.signed.voucher
        sums.pending += call.bound
        sums.last = max(sums.last, call.number)
        if rows:
            _move(page, rows[0], TAKEN, self._holder.name)
        else:
            page.change(
                "INSERT INTO calls (channel, number, operation, bound, max_amount, state, holder)"
                " VALUES (?, ?, ?, ?, ?, 'taken', ?)",
                (call.channel, call.number, call.operation, str(call.bound), str(call.max_amount), self._holder.name),
            )
        return Taken(call)

    def _known(
        self, page: Page, sums: _Sums, row: Mapping[str, Any], call: PaidCall
    ) -> Taken | Done | TallystickError | None:
        """Return what becomes of a call whose number is known; None where it may be taken anew."""
        if (row["operation"], int(row["bound"]), int(row["max_amount"])) != (
            call.operation,
            call.bound,
            call.max_amount,
        ):
            return InvalidInput(
                "channel.number", "the number stands for another call", got=call.number, hint="use a new number"
            )
        if row["state"] == DONE:
            return Done(_receipt(row), row["answer"])
        if row["state"] == TAKEN:
            if self._holder.is_alive(row["holder"]):
                return Unavailable("channel.in_work", "the call is being worked on", hint="repeat the same call")
            sums.pending -= call.bound
        return None

    def _finish(self, page: Page, accounts: dict[bytes, _Sums], work: Work) -> Done:
        call = work.call
        if not 0 <= work.charged <= call.bound:
            raise Broken("channel.charge", "a charge beyond its bound", expected=f"≤ {call.bound}", got=work.charged)
        sums = _Sums.of(page, accounts, call.channel)
        sums.pending -= call.bound
        sums.spent += work.charged
        changed = page.change(
            "UPDATE calls SET state = 'done', charged = ?, spent = ?, digest = ?, answer = ?"
            " WHERE channel = ? AND number = ? AND state = 'taken' AND holder = ?",
            (str(work.charged), str(sums.spent), work.digest, work.answer, call.channel, call.number,
             self._holder.name),
        )  # fmt: skip
        if changed != 1:
            raise Broken("channel.not_taken", "a call was finished that nobody had taken", got=call.number)
        receipt = CallReceipt(call.channel, call.number, call.operation, work.charged, sums.spent, work.digest)
        return Done(receipt, work.answer)


class _Sums:
    """A channel's row while a transaction works on it."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.id: bytes = row["id"]
        self.highest, self.spent, self.pending = (int(row[name]) for name in ("highest", "spent", "pending"))
        self.voucher: bytes = row["voucher"]
        self.floor: int = row["floor"]
        self.last: int = row["last"]

    @classmethod
    def of(cls, page: Page, accounts: dict[bytes, _Sums], channel: bytes, terms: Terms | None = None) -> _Sums:
        """Return the channel's sums, read once in a transaction; a new channel begins with nothing."""
        if channel not in accounts:
            rows = page.rows("SELECT * FROM channels WHERE id = ?", (channel,))
            if not rows and terms is not None:
                page.change(
                    "INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, '0', x'', '0', '0', '0', 0, 0, 0)",
                    (channel, terms.payer, terms.payee, terms.authorizer, terms.withdraw_delay_s, terms.expires,
                     terms.salt),
                )  # fmt: skip
                rows = page.rows("SELECT * FROM channels WHERE id = ?", (channel,))
            if not rows:
                raise Broken("channel.not_taken", "a call of a channel that is not in the book")
            accounts[channel] = cls(rows[0])
        return accounts[channel]

    def prune(self, page: Page) -> None:
        """Forget calls beyond the newest ones, a quarter of what is kept at a time."""
        floor = self.last - CHANNEL_CALLS_KEPT
        if floor - self.floor < CHANNEL_CALLS_KEPT // 4:
            return
        page.change("DELETE FROM calls WHERE channel = ? AND number <= ? AND state <> 'taken'", (self.id, floor))
        page.change("UPDATE channels SET floor = ? WHERE id = ?", (floor, self.id))


def _short(sums: _Sums | None, offer: Offer) -> InvalidInput | None:
    """Return what is wrong where the vouchers do not cover what was spent, what is in work, and the call."""
    call = offer.signed.call
    highest, used = (0, 0) if sums is None else (sums.highest, sums.spent + sums.pending)
    needed, covered = used + call.bound, min(max(highest, call.max_amount), offer.deposit)
    if needed <= covered:
        return None
    return InvalidInput(
        "channel.short", "the voucher does not cover the call and those before it", expected=f"≥ {needed}",
        got=covered, hint="top the channel up" if needed > offer.deposit else "sign a voucher for so much",
    )  # fmt: skip


def _write(page: Page, accounts: Iterable[_Sums]) -> None:
    for one in accounts:
        page.change(
            "UPDATE channels SET highest = ?, voucher = ?, spent = ?, pending = ?, last = ? WHERE id = ?",
            (str(one.highest), one.voucher, str(one.spent), str(one.pending), one.last, one.id),
        )


def _move(page: Page, row: Mapping[str, Any], state: str, holder: str) -> None:
    page.change(
        "UPDATE calls SET state = ?, holder = ? WHERE channel = ? AND number = ?",
        (state, holder, row["channel"], row["number"]),
    )


def _receipt(row: Mapping[str, Any]) -> CallReceipt:
    return CallReceipt(
        row["channel"], row["number"], row["operation"], int(row["charged"]), int(row["spent"]), row["digest"]
    )
