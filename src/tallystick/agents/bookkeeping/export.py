"""The lines of a ledger as CSV (RFC 4180) with columns that stay, safe to open in any spreadsheet.

Much of a ledger was written by strangers: URLs, reasons, symbols of tokens. A spreadsheet takes a cell that begins
with `=`, `+`, `-`, `@` or a control character for a formula, and may cut cells at semicolons or tabs where a file has
commas. So in texts every separator, quote and control character is spelled out as `\\x3b`, and a cell that would still
begin like a formula has an apostrophe before it. No number in the file has a sign: each direction has its column.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from tallystick.agents.bookkeeping.lines import Line
from tallystick.chain.coin import Coin

COLUMNS: Final = (
    "time", "block", "log", "transaction", "account", "party", "token", "symbol", "in", "out", "in_units", "out_units",
    "kind", "state", "purse", "internal", "book", "reference", "reason",
)  # fmt: skip

_SEPARATORS: Final = frozenset(",;|\"'\\")
_FORMULA: Final = frozenset("=+-@＝＋－＠")


def to_csv(lines: Iterable[Line], coins: Mapping[str, Coin]) -> bytes:
    """Return the lines as CSV in UTF-8: a header, CRLF at each end of line, times in UTC as ISO 8601 writes them.

    coins  by address, for symbols and decimals; an amount of one that is not among them is in smallest units
    """
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in lines:
        writer.writerow(_row(one, coins.get(one.token, Coin(one.token, 0))))
    return made.getvalue().encode()


def safe_text(text: str) -> str:
    """Return a text of strangers as a cell that no spreadsheet takes for a formula, or for several cells."""
    spelled = "".join(char if char.isprintable() and char not in _SEPARATORS else _escaped(char) for char in text)
    return f"'{spelled}" if spelled[:1] in _FORMULA or spelled[:1].isspace() else spelled


def _escaped(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _row(one: Line, coin: Coin) -> tuple[object, ...]:
    amount, units = coin.format(one.amount), str(one.amount)
    sides = ("", amount, "", units) if one.is_out else (amount, "", units, "")
    transaction = "0x" + one.transaction.hex() if one.transaction else ""
    at = datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        at, one.block or "", one.log if one.log >= 0 else "", transaction, one.account, one.party, one.token,
        safe_text(coin.symbol), *sides, one.kind.value, one.state.value, one.purse.value,
        "yes" if one.is_internal else "no", one.book, safe_text(one.reference), safe_text(one.reason),
    )  # fmt: skip
