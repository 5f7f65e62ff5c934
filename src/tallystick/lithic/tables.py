"""Rows and ranges as people keep them: CSV files whose first line names the columns, and TOML files of ranges.

Bytes in, numbers out; nothing is guessed: a cell that is no number, a feature without a column or a range is refused by
line and name.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import KERNEL_ROWS_MAX

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z", re.ASCII)

Range = tuple[Decimal, ...]  # low and high, and a step where there is one


@dataclass(frozen=True)
class Rows:
    """Rows of numbers, one for each of `features`, and the label of each row where a column was named for it."""

    features: tuple[str, ...]
    values: list[list[float]]
    labels: list[str]


def columns_of(data: bytes, what: str = "the file") -> tuple[str, ...]:
    """Return the names in the first line of a CSV file; raises InvalidInput "kernel.csv"."""
    return _header(_lines(data, what), what)


def read_rows(data: bytes, features: Sequence[str], *, label: str | None = None, what: str = "the file") -> Rows:
    """Return the columns of a CSV file that are called like `features`, in their order; other columns are left out.

    label    the column that holds each row's label
    raises   InvalidInput "kernel.csv", naming the line
    """
    lines = _lines(data, what)
    places = _places(_header(lines, what), (*features, *([] if label is None else [label])), what)
    values: list[list[float]] = []
    labels: list[str] = []
    for number, cells in lines:
        if len(values) == KERNEL_ROWS_MAX:
            raise InvalidInput("kernel.csv", f"{what} has too many rows", expected=f"≤ {KERNEL_ROWS_MAX}")
        picked = [cells[place] for place in places]
        if label is not None:
            labels.append(picked.pop())
        values.append([float(_number(cell, f"{what}, line {number}")) for cell in picked])
    return Rows(tuple(features), values, labels)


def read_numbers(text: str, what: str) -> list[float]:
    """Return the numbers of a comma-separated list; raises InvalidInput "kernel.csv"."""
    return [float(_number(cell, what)) for cell in text.split(",")]


def read_ranges(data: bytes, *, is_toml: bool, what: str = "the file") -> dict[str, Range]:
    """Return the range of each feature by name, in the order of the file.

    A TOML file has one line for each feature, `age = [18, 90, 1]` or `"mean radius" = [0, "30.5"]`; a CSV file has the
    columns feature, low, high and perhaps step, empty where there is none.

    raises  InvalidInput "kernel.ranges", "kernel.csv"
    """
    found = _toml_ranges(data, what) if is_toml else _csv_ranges(data, what)
    if not found:
        raise InvalidInput("kernel.ranges", f"{what} has no range", hint="one for each feature of the model")
    return found


def _toml_ranges(data: bytes, what: str) -> dict[str, Range]:
    try:
        document = tomllib.loads(data.decode("utf-8"), parse_float=Decimal)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InvalidInput("kernel.ranges", f"{what} is not TOML", got=str(error)[:120]) from None
    found = {}
    for name, given in document.items():
        if not isinstance(given, list) or len(given) not in (2, 3):
            raise InvalidInput(
                "kernel.ranges", f"{what}: {name} has no range", expected="[low, high] or [low, high, step]",
                got=type(given).__name__,
            )  # fmt: skip
        found[name] = tuple(_toml_number(value, f"{what}: {name}") for value in given)
    return found


def _toml_number(value: object, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise InvalidInput("kernel.ranges", f"{where} is no number", got=type(value).__name__)
    return _number(str(value), where)


def _csv_ranges(data: bytes, what: str) -> dict[str, Range]:
    lines = _lines(data, what)
    header = _header(lines, what)
    wanted = ("feature", "low", "high", *(["step"] if "step" in header else []))
    places = _places(header, wanted, what)
    found: dict[str, Range] = {}
    for number, cells in lines:
        name, *ends = (cells[place] for place in places)
        if name in found:
            raise InvalidInput("kernel.ranges", f"{what}, line {number}: {name} has two ranges")
        found[name] = tuple(_number(cell, f"{what}, line {number}") for cell in ends if cell.strip())
        if len(found[name]) < 2:
            raise InvalidInput("kernel.ranges", f"{what}, line {number}: {name} has no low or no high")
    return found


def _lines(data: bytes, what: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not empty; the first is the header."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("kernel.csv", f"{what} is not UTF-8", got=f"byte {error.start}") from None
    reader = csv.reader((line + "\n" for line in text.replace("\r\n", "\n").split("\n")), strict=True)
    width = None
    try:
        for cells in reader:
            if not cells:
                continue
            width = width or len(cells)
            if len(cells) != width:
                raise InvalidInput(
                    "kernel.csv", f"{what}, line {reader.line_num}", expected=f"{width} cells", got=len(cells)
                )
            yield reader.line_num, cells
    except csv.Error as error:
        raise InvalidInput("kernel.csv", f"{what}, line {reader.line_num}: {error}") from None


def _header(lines: Iterator[tuple[int, list[str]]], what: str) -> tuple[str, ...]:
    _, header = next(lines, (0, []))
    if not header:
        raise InvalidInput("kernel.csv", f"{what} is empty", expected="a line that names the columns")
    return tuple(header)


def _places(header: tuple[str, ...], wanted: Sequence[str], what: str) -> list[int]:
    missing = [name for name in wanted if header.count(name) != 1]
    if missing:
        raise InvalidInput(
            "kernel.csv", f"{what} does not have one column for each name", expected=ascii(missing[0]),
            got=ascii(", ".join(header))[:200],
        )  # fmt: skip
    return [header.index(name) for name in wanted]


def _number(text: str, where: str) -> Decimal:
    """Return the number that a cell writes: as large as a double at most, so that no text costs much."""
    found = text.strip()
    if len(found) > _CELL_CHARS_MAX or not _NUMBER.match(found) or abs(Decimal(found).adjusted()) > _EXPONENT_MAX:
        raise InvalidInput("kernel.csv", f"{where} holds what is no number", got=ascii(text)[:80])
    return Decimal(found)


_CELL_CHARS_MAX = 400  # a double written out has some 330
_EXPONENT_MAX = 307
