"""Rows and ranges are read by name, and what is no number, no range or no column is refused by line."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tallystick.core.errors import InvalidInput
from tallystick.lithic.tables import columns_of, read_numbers, read_ranges, read_rows

ROWS = b'id,b,a,label\r\n7,2.5,1e2,yes\r\n\r\n8,-.5," 3 ",no\r\n'


def test_columns_are_found_by_name_in_the_order_asked_for() -> None:
    found = read_rows(ROWS, ("a", "b"), label="label")
    assert found.values == [[100.0, 2.5], [3.0, -0.5]]
    assert found.labels == ["yes", "no"]
    assert read_rows(ROWS, ("b",)).labels == []
    assert columns_of(b"\xef\xbb\xbf" + ROWS) == ("id", "b", "a", "label")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"a\n1\n", "one column for each name"),
        (b"a,b,b\n1,2,3\n", "one column for each name"),
        (b"a,b\n1\n", "line 2: expected 2 cells"),
        (b"a,b\n1,two\n", "line 2 holds what is no number"),
        (b"a,b\n1,\n", "line 2 holds what is no number"),
        (b"a,b\n1,nan\n", "no number"),
        (b"a,b\n1,1_0\n", "no number"),
        (b"a,b\n1,1e999\n", "no number"),
        (b"a,b\n1," + b"9" * 500 + b"\n", "no number"),
        (b'a,b\n1,"2\n', "line"),
        (b"a,b\n\xff,2\n", "not UTF-8"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        read_rows(data, ("a", "b"))
    assert refused.value.code == "kernel.csv"


TOML = b'age = [18, 90, 1]\n"mean radius" = [0, "30.5"]\nrate = [0.1, 0.3]\n'
CSV = b"feature,low,high,step\nage,18,90,1\nmean radius,0,30.5,\nrate,0.1,0.3,\n"


@pytest.mark.parametrize(("data", "is_toml"), [(TOML, True), (CSV, False)])
def test_ranges_are_exact_and_in_the_order_of_the_file(data: bytes, is_toml: bool) -> None:
    found = read_ranges(data, is_toml=is_toml)
    assert list(found.items()) == [
        ("age", (Decimal(18), Decimal(90), Decimal(1))),
        ("mean radius", (Decimal(0), Decimal("30.5"))),
        ("rate", (Decimal("0.1"), Decimal("0.3"))),
    ]


@pytest.mark.parametrize(
    ("data", "is_toml"),
    [
        (b"", True),
        (b"age = 5", True),
        (b"age = [1]", True),
        (b"age = [1, true]", True),
        (b"age = [1, inf]", True),
        (b"age = [1, nan]", True),
        (b"age = [1, [2]]", True),
        (b"age = [1979-05-27, 2]", True),
        (b"[age]\nlow = 1", True),
        (b"age = [1, 2", True),
        (b"\xff", True),
        (b"age = " + b"[" * 5_000, True),
        (b"feature,low\nage,1\n", False),
        (b"feature,low,high\nage,1,\n", False),
        (b"feature,low,high\nage,1,2\nage,1,2\n", False),
        (b"feature,low,high\n", False),
    ],
)
def test_what_is_no_file_of_ranges_is_refused(data: bytes, is_toml: bool) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_ranges(data, is_toml=is_toml)
    assert refused.value.code in ("kernel.ranges", "kernel.csv")


def test_a_list_of_numbers_is_read_whole_or_refused() -> None:
    assert read_numbers("1, -2.5,3e1", "--row") == [1.0, -2.5, 30.0]
    for text in ("", "1,", "1;2", "0x10"):
        with pytest.raises(InvalidInput):
            read_numbers(text, "--row")
