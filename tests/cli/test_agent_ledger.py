"""`tally agent ledger` and `tally agent invoice` by the command line: what was billed is paid once, and it adds up."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tallystick.agents.bookkeeping.invoice import SignedInvoice
from tallystick.agents.bookkeeping.invoice_paying import InvoicePayer, challenge_of, operation_of, origin_of
from tallystick.agents.channels.payee import Request
from tallystick.agents.payments.outcomes import Settled
from tallystick.agents.payments.payers import KeyPayer
from tallystick.agents.payments.purse import Limits, Purse
from tests.cli.agent_kit import address_of, open_tally, wait
from tests.cli.test_payment_commands import shop

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
    assert tally("agent", "invoice", "paid", "1", paid["transaction"])[1]["code"] == "invoice.not_paid", "it paid 2"
    assert tally("agent", "invoice", "paid", "7", paid["transaction"])[1]["code"] == "invoice.unknown"
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


def test_a_crash_between_the_chain_and_the_book_pays_nothing_twice(tally: Any, billed: str, tmp_path: Path) -> None:
    """The payment is mined, and whoever should have written that down is dead."""
    signed = SignedInvoice.from_bytes((tmp_path / "invoice.json").read_bytes())
    with open_tally(tmp_path / ".tally") as opened:
        payments, node = opened.agents.payments, opened.node
        limits = Limits({billed: 10**7})
        payer = InvoicePayer(KeyPayer(node, opened.account), signed.invoice)
        purse = Purse(payments.book, {"exact": payer}, limits, node, payments.clock)
        booked = purse.pay(challenge_of(node, signed), operation_of(signed), origin_of(signed.invoice))
        settled = payments.scheme([billed]).settle(booked.payment, booked.requirements)
        assert isinstance(settled, Settled)
    status, paid = pay(tally)
    assert (status, paid["transaction"]) == (0, settled.transaction)
    status, told = tally("agent", "ledger", "--wallet", "shop", "--token", billed)
    assert (status, sums(told, billed)["income"]) == (0, "2500000")


def test_a_wallet_with_slots_pays_within_its_policy_and_once(tally: Any, token: str, tmp_path: Path) -> None:
    text = (tmp_path / "bot.toml").read_text("utf-8")
    slots = 'slots = { token = "USD", max = 2, per = "1d", cap = "2" }'
    (tmp_path / "bot.toml").write_text(text.replace('level = "', f'{slots}\nlevel = "', 1), "utf-8")
    assert tally("agent", "policy", "apply", "bot", "bot.toml", "--yes")[0] == 0
    wait(tmp_path / ".tally", 86_400)
    assert tally("agent", "policy", "apply", "bot", "bot.toml", "--yes")[0] == 0
    for number, amount in (("1", "1.5"), ("2", "2.5")):
        bill = ("agent", "invoice", "new", "bot", "--line", f"x={amount}", "--token", token, "--seller", "shop")
        assert tally(*bill, "--number", number)[0] == 0

    def by_wallet(file: str) -> tuple[int, Any]:
        more = ("--seller", "shop", "--max", "9", "--wallet", "bot", "--session", "bot", "--yes")
        return tally("agent", "invoice", "pay", file, *more)

    status, first = by_wallet("invoice-1.json")
    assert (status, first["payment"]["state"]) == (0, "settled")
    assert by_wallet("invoice-1.json")[1]["transaction"] == first["transaction"]
    status, refused = by_wallet("invoice-2.json")
    assert (status != 0, refused["code"]) == (True, "payment.refused")
    status, told = tally("agent", "ledger", "--wallet", "bot")
    (payment,) = [one for one in told["lines"] if one["kind"] == "payment"]
    assert (status, payment["book"], payment["amount"]) == (0, "purse", "1500000")
    assert {one["number"]: one["standing"] for one in told["invoices"]} == {"1": "paid", "2": "open"}
    assert sums(told, token)["difference"] == "0"


def charge(path: Path, channel: bytes, token: str, calls: int, price: int) -> None:
    """Have calls made over a channel, charged and receipted, in one workspace that is both sides."""
    with open_tally(path) as opened:
        channels = opened.agents.channels
        payer, payee = channels.payer(channel), channels.payee(token, "shop")
        terms = channels.paying.channel(channel).terms
        for call in range(calls):
            (signed,) = payer.sign(channel, [(bytes([call]) * 32, price)])
            (taken,) = payee.take([Request(terms, signed)])
            (answered,) = payee.finish([(taken, price, b"an answer")])
            assert payer.learn(channel, [(signed, answered.done.receipt, answered.signature)]) == [None]


def test_what_is_charged_over_a_channel_is_billed_claimed_and_reconciled(
    tally: Any, token: str, tmp_path: Path
) -> None:
    open_ = ("agent", "channel", "open", "shop", "5", "--token", token, "--delay", "1d", "--valid", "30d")
    status, opened = tally(*open_)
    assert status == 0
    name = opened["channel"]
    charge(tmp_path / ".tally", bytes.fromhex(name), token, 3, 400_000)
    _, told = tally("agent", "ledger")
    assert (sums(told, token)["pending_in"], sums(told, token)["pending_out"]) == ("1200000", "1200000")
    assert (sums(told, token)["deposited"], sums(told, token)["channels_closing"]) == ("5000000", "5000000")
    bill = ("agent", "invoice", "new", "main", "--token", token, "--seller", "shop", "--channel", name)
    assert tally(*bill, "--line", "two calls=0.8")[0] == 0
    assert tally(*bill, "--line", "two calls=0.8")[1]["code"] == "invoice.channel", "one call is left to bill"
    assert tally(*bill, "--line", "one call=0.4")[0] == 0
    pay_ = ("agent", "invoice", "pay", "invoice-1.json", "--seller", "shop", "--max", "9", "--yes")
    assert tally(*pay_)[1]["code"] == "invoice.channel", "the seller's claim pays it"
    assert tally("agent", "channel", "settle", "--token", token, "--as", "shop")[0] == 0
    status, told = tally("agent", "ledger")
    assert (status, told["reconciled"], {one["standing"] for one in told["invoices"]}) == (0, True, {"paid"})
    assert {one["difference"] for one in told["totals"]} == {"0"}
    status, told = tally("agent", "ledger", "--wallet", "shop", "--token", token)
    assert (status, sums(told, token)["income"], sums(told, token)["pending_in"]) == (0, "1200000", "0")
    status, told = tally("agent", "ledger", "--wallet", "main", "--token", token)  # which gave the wallet 100
    assert (status, sums(told, token)["spend"], sums(told, token)["channels_closing"]) == (0, "101200000", "3800000")


def test_what_a_paywall_sold_failed_to_deliver_and_gave_back_is_in_both_ledgers(
    tally: Any, token: str, tmp_path: Path
) -> None:
    path = tmp_path / ".tally"
    asked = ("--max", "1", "--token", token)
    with shop(path, token, pay_to="main") as url:
        assert tally("agent", "fetch", f"{url}/answer", *asked, "--data", "one")[0] == 0
        assert tally("agent", "fetch", f"{url}/broken", *asked, "--data", "two")[1]["status"] == 500
    status, told = tally("agent", "ledger")
    assert (status, sums(told, token)["owed"], sums(told, token)["difference"]) == (0, "10000", "0")
    assert tally("agent", "payments", "refund", "--yes")[0] == 0
    status, told = tally("agent", "ledger")
    (refund,) = [one for one in told["lines"] if one["kind"] == "refund"]
    assert (status, refund["state"], sums(told, token)["owed"]) == (0, "reconciled", "0")
    kinds = sorted((one["kind"], one["book"], one["direction"]) for one in told["lines"] if one["kind"] == "payment")
    assert kinds == [("payment", "claims", "in")] * 2 + [("payment", "purse", "out")] * 2
