"""`tally agent ledger` and `tally agent invoice` by the command line: what was billed is paid once, and it adds up."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.agent_kit import address_of

LINE = ("--line", "research, four pages=2", "--line", "a figure=0.5")


@pytest.fixture
def billed(tally: Any, token: str) -> str:
    """Bill this workspace's own account, as the key `shop`, in invoice.json; return the token's address."""
    status, made = tally("agent", "invoice", "new", "main", *LINE, "--token", token, "--seller", "shop",
                         "--file", "invoice.json")  # fmt: skip
    assert (status, made["number"], made["amount"]) == (0, "1", "2500000")
    return token


def pay(tally: Any, *more: str, seller: str = "shop", most: str = "3") -> tuple[int, Any]:
    return tally("agent", "invoice", "pay", "invoice.json", "--seller", seller, "--max", most, "--yes", *more)


def sums(told: Any, token: str) -> Any:
    return next(one for one in told["totals"] if one["token"] == token)


def test_an_invoice_is_paid_once_however_often_it_is_asked(tally: Any, billed: str, tmp_path: Path) -> None:
    status, first = pay(tally)
    assert (status, first["payment"]["state"]) == (0, "settled")
    status, second = pay(tally)
    assert (status, second["transaction"]) == (0, first["transaction"])
    status, shown = tally("agent", "invoice", "show", "1")
    assert (status, shown["paid"]["transaction"]) == (0, first["transaction"])
    status, told = tally("agent", "ledger", "--wallet", "shop", "--token", billed)
    assert (status, sums(told, billed)["income"]) == (0, "2500000")
    assert {(one["side"], one["standing"]) for one in told["invoices"]} == {("issued", "paid")}


def test_an_invoice_that_another_purse_paid_is_not_paid_again(tally: Any, billed: str, tmp_path: Path) -> None:
    assert pay(tally)[0] == 0
    for path in (tmp_path / ".tally" / "payments").glob("purse.db*"):
        path.unlink()
    status, told = pay(tally)
    assert (status, told["code"]) == (2, "invoice.paid")


@pytest.mark.parametrize(
    ("more", "seller", "most", "code"),
    [
        ((), "main", "3", "report.failed"),
        ((), "shop", "2.4", "payment.refused"),
        (("--session", "shop"), "shop", "3", "invoice.buyer"),
        (("--wallet", "bot", "--session", "bot"), "shop", "3", "invoice.slots"),
    ],
)
def test_what_should_not_be_paid_is_not(
    tally: Any, billed: str, more: tuple[str, ...], seller: str, most: str, code: str
) -> None:
    status, told = pay(tally, *more, seller=seller, most=most)
    assert (status != 0, told["code"]) == (True, code)


def test_a_forged_invoice_is_refused_by_check_and_by_pay(tally: Any, billed: str, tmp_path: Path) -> None:
    assert tally("agent", "invoice", "check", "invoice.json", "--seller", "shop", "--buyer", "main")[0] == 0
    path = tmp_path / "invoice.json"
    told = json.loads(path.read_text("utf-8"))
    told["invoice"]["pay_to"] = address_of(tmp_path / ".tally", "thief")
    path.write_text(json.dumps(told, sort_keys=True, separators=(",", ":")), "utf-8")
    status, report = tally("agent", "invoice", "check", "invoice.json", "--seller", "shop")
    assert (status, [one["name"] for one in report["checks"] if not one["ok"]]) == (1, ["signature"])
    assert pay(tally)[1]["code"] == "report.failed"
    path.write_text(json.dumps(told, indent=1), "utf-8")
    assert tally("agent", "invoice", "check", "invoice.json")[1]["code"] == "canonical.form"


def test_a_number_is_issued_once_and_a_file_is_not_written_over(tally: Any, billed: str) -> None:
    new = ("agent", "invoice", "new", "main", "--line", "x=1", "--token", billed, "--seller", "shop")
    assert tally(*new, "--number", "1", "--file", "other.json")[1]["code"] == "invoice.number_used"
    assert tally(*new, "--file", "invoice.json")[1]["code"] == "cli.exists"
    assert tally(*new)[1]["file"] == "invoice-2.json"
    assert len(tally("agent", "invoice", "show")[1]["invoices"]) == 2


@pytest.mark.parametrize("line", ["nothing", "=5", "x=-5", "x=0.0000001", "x=1e3", "a\u202eb=1"])
def test_a_line_that_says_no_amount_or_nothing_is_refused(tally: Any, token: str, line: str) -> None:
    status, told = tally("agent", "invoice", "new", "main", "--line", line, "--token", token)
    assert (status, told["code"].partition(".")[0] in ("invoice", "amount")) == (2, True)


def test_a_wallet_that_pays_by_an_act_pays_the_invoice_too(tally: Any, token: str) -> None:
    bill = ("agent", "invoice", "new", "bot", "--line", "x=1", "--token", token, "--seller", "shop")
    assert tally(*bill)[0] == 0
    assert tally(*bill)[0] == 0
    status, paid = tally("agent", "pay", "bot", "bot", "shop", "1", "--token", token, "--for", "invoice 2")
    assert status == 0
    status, told = tally("agent", "invoice", "paid", "2", paid["transaction"])
    assert (status, told["number"]) == (0, "2")
    assert tally("agent", "invoice", "paid", "1", "0x" + "ab" * 32)[1]["code"] == "invoice.not_paid"
    status, told = tally("agent", "ledger", "--wallet", "bot")
    (act,) = [one for one in told["lines"] if one["kind"] == "act"]
    assert (status, act["book"], act["state"], act["amount"]) == (0, "wallet", "reconciled", "1000000")
    assert (sums(told, token)["spend"], sums(told, token)["difference"]) == ("1000000", "0")


def test_the_whole_ledger_of_a_workspace_adds_up_to_the_last_unit(tally: Any, billed: str) -> None:
    assert pay(tally)[0] == 0
    assert tally("agent", "pay", "bot", "bot", "shop", "1", "--token", billed, "--for", "a test")[0] == 0
    status, told = tally("agent", "ledger")
    assert (status, told["reconciled"], told["unreconciled"], told["notes"]) == (0, True, 0, [])
    assert {one["difference"] for one in told["totals"]} == {"0"}
    assert {one["silent"] for one in told["sheets"] if one["token"] == billed} == {"0"}


def test_a_tampered_book_ends_with_status_1_and_says_where(tally: Any, billed: str, tmp_path: Path) -> None:
    assert pay(tally)[0] == 0
    with sqlite3.connect(tmp_path / ".tally" / "payments" / "purse.db") as db:
        db.execute("UPDATE payments SET amount = '1'")
    status, told = tally("agent", "ledger", "--wallet", "main")
    states = [(one["state"], one["amount"]) for one in told["lines"] if one["state"] != "reconciled"]
    assert (status, states) == (1, [("in the book only", "1")])
    (invoiced,) = [one for one in told["lines"] if one["kind"] == "invoice"]
    assert (invoiced["amount"], invoiced["reference"]) == ("2500000", "1"), "the book of invoices still knows it"
    assert sums(told, billed)["difference"] == "0"


def test_a_period_holds_what_was_in_it_and_a_file_what_was_told(tally: Any, billed: str, tmp_path: Path) -> None:
    assert pay(tally)[0] == 0
    status, told = tally("agent", "ledger", "--csv", "lines.csv")
    assert status == 0
    with (tmp_path / "lines.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["in_units"] or row["out_units"] for row in rows] == [one["amount"] for one in told["lines"]]
    assert tally("agent", "ledger", "--csv", "lines.csv")[1]["code"] == "cli.exists"
    assert not tally("agent", "ledger", "--to", "2001-01-01")[1]["lines"]
    assert not tally("agent", "ledger", "--from", "2199-01-01T00:00:00Z")[1]["lines"]
    assert tally("agent", "ledger", "--from", "2026-01-02", "--to", "2026-01-01")[1]["code"] == "ledger.period"


@pytest.mark.parametrize("when", ["yesterday", "2026-11-28T12:00:00", "2026-13-01"])
def test_a_time_that_is_nobodys_is_refused(tally: Any, token: str, when: str) -> None:
    assert tally("agent", "ledger", "--from", when)[0] == 2


def test_a_workspace_in_which_nothing_happened_has_an_empty_ledger(tally: Any) -> None:
    assert tally("init")[0] == 0
    status, told = tally("agent", "ledger", "--wallet", "nobody")
    assert (status, told["code"]) == (2, "ledger.account")
