"""The CSV of a ledger: any reader gets back what was written, and no spreadsheet runs any of it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.bookkeeping.export import COLUMNS, safe_text, to_csv
from tallystick.agents.bookkeeping.lines import Kind, Line, State
from tallystick.chain.coin import Coin

TOKEN = "0x" + "11" * 20
PLAIN = Line(1_764_300_000, 7, 2, b"\xab" * 32, "0x" + "22" * 20, "0x" + "33" * 20, TOKEN, 1_500_000, False,
             Kind.PAYMENT, State.RECONCILED, book="purse", reference="an id")  # fmt: skip
TEXT = st.text(st.characters(codec="utf-8"), max_size=60)


def read(data: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter, strict=True))


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet may take a cell for something to compute (OWASP, CSV injection)."""
    return cell[:1] in set("=+-@\t\r\n＝＋－＠")


def test_a_line_is_one_row_of_the_documented_columns():
    header, row = read(to_csv([PLAIN], {TOKEN: Coin(TOKEN, 6, "USD")}))
    assert tuple(header) == COLUMNS
    told = dict(zip(header, row, strict=True))
    assert (told["time"], told["in"], told["in_units"], told["out"]) == ("2025-11-28T03:20:00Z", "1.5", "1500000", "")
    assert (told["symbol"], told["transaction"], told["state"]) == ("USD", "0x" + "ab" * 32, "reconciled")


def test_lines_end_as_the_standard_says_and_the_columns_stay():
    data = to_csv([PLAIN], {})
    assert data.count(b"\r\n") == 2
    assert data.replace(b"\r\n", b"").count(b"\n") == 0
    assert data.split(b"\r\n")[0] == (
        b"time,block,log,transaction,account,party,token,symbol,in,out,in_units,out_units,kind,state,purse,internal,"
        b"book,reference,reason"
    )


@pytest.mark.parametrize(
    "text",
    [
        "=cmd|'/c calc'!A1",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "＝1+1",
        ' =HYPERLINK("http://x")',
        "a;=1+1",
        "a\n=1",
    ],
)
def test_a_hostile_text_begins_no_cell_whatever_a_program_takes_for_a_separator(text):
    line = Line(**{**vars(PLAIN), "reason": text, "reference": text})
    data = to_csv([line], {TOKEN: Coin(TOKEN, 6, text)})
    for delimiter in (",", ";", "\t", "|"):
        cells = [cell for row in read(data, delimiter) for cell in row]
        assert not [cell for cell in cells if is_formula(cell) or is_formula(cell.lstrip())]


@given(TEXT)
def test_any_text_stays_one_safe_cell(text):
    cell = safe_text(text)
    assert not is_formula(cell)
    assert not is_formula(cell.lstrip())
    assert not set(cell) & set(',;\t\r\n|"')
    assert read(f"{cell},x\r\n".encode()) == [[cell, "x"]]


@given(TEXT, TEXT)
def test_two_texts_never_become_one(one, other):
    assert (safe_text(one) == safe_text(other)) is (one == other)
