"""Which payers made a settlement fail on chain, and so cost somebody gas: for a time they are not served."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tallystick.core.limits import PAYER_FAILURES_MAX, PAYER_FAILURES_S
from tallystick.store.book import Book, Form

_FORM: Final = Form(
    "book of failures",
    0x7A11_0FA1,
    (
        "CREATE TABLE failures (payer TEXT NOT NULL, nonce BLOB NOT NULL, at_s REAL NOT NULL,"
        " PRIMARY KEY (payer, nonce)) STRICT, WITHOUT ROWID",
    ),
)


class Failures:
    """The book at `path`, shared by every process that settles; raises as `store.book.Book`."""

    def __init__(self, path: Path) -> None:
        self._book = Book(path, _FORM)

    def note(self, payer: str, nonce: bytes, now_s: float) -> None:
        """Remember that a settlement failed; the same one counts once, and old ones are forgotten."""
        with self._book.changing() as page:
            page.change("DELETE FROM failures WHERE at_s < ?", (now_s - PAYER_FAILURES_S,))
            page.change("INSERT OR IGNORE INTO failures VALUES (?, ?, ?)", (payer, nonce, now_s))

    def is_spent(self, payer: str, now_s: float) -> bool:
        """Whether a payer has failed as often as it may."""
        with self._book.reading() as page:
            sql = "SELECT count(*) AS failed FROM failures WHERE payer = ? AND at_s >= ?"
            return bool(page.rows(sql, (payer, now_s - PAYER_FAILURES_S))[0]["failed"] >= PAYER_FAILURES_MAX)

    def close(self) -> None:
        """Close the file."""
        self._book.close()
