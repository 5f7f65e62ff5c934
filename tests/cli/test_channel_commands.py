"""Payment channels by the command line: opened, paid over, settled and ended, by a key and by a wallet's session."""

from __future__ import annotations

import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.agent_kit import FOR, address_of, open_tally, wait

PRICE = ("--price", "0.1")


class _Behind(http.server.BaseHTTPRequestHandler):
    """Says the question back; charges what the path says, or fails."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(503 if self.path == "/down" else 200)
        if self.path.startswith("/cost/"):
            self.send_header("tally-cost", self.path[6:])
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def behind() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Behind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def selling(folder: Path, upstream: str, *options: str) -> Iterator[str]:
    """Sell in a process of its own; give the URL."""
    command = [sys.executable, "-m", "tallystick", "agent", "channel", "sell", upstream, "--json", *options]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, text=True)
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())["url"]
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
        child.stdout.close()


def test_a_channel_is_opened_paid_over_settled_and_ended(tally: Any, workspace: Path, tmp_path: Path) -> None:
    status, made = tally("agent", "channel", "open", "shop", "5", "--delay", "15m")
    assert (status, made["deposit"], made["state"], made["spent"]) == (0, str(5 * 10**18), "open", "0")
    wanted = made["channel"]
    assert tally("agent", "channel", "top-up", wanted, "1")[1]["deposit"] == str(6 * 10**18)
    with behind() as upstream, selling(tmp_path, upstream, *PRICE, "--as", "shop") as url:

        def ask(path: str, *more: str) -> tuple[int, Any]:
            return tally("agent", "channel", "call", wanted, url + path, "--max", "0.1", "--data", "hello", *more)

        status, paid = ask("/ask")
        assert (status, paid["status"], paid["body"], paid["charged"]) == (0, 200, "hello", str(10**17))
        assert ask("/cost/7")[1]["charged"] == "7"
        status, failed = ask("/down")
        assert (status, failed["status"], failed["charged"]) == (1, 503, "0")
        status, error = ask("/ask", "--max", "0.05")
        assert (status, error["code"]) == (3, "channel.refused")
        assert ask("/ask", "--output", "answer.txt")[0] == 0
        assert (tmp_path / "answer.txt").read_bytes() == b"hello"
    spent = str(2 * 10**17 + 7)
    listed = tally("agent", "channel", "list")[1]
    assert [(one["spent"], one["undecided"], one["at_risk"]) for one in listed["paying"]] == [(spent, "0", "0")]
    assert [(one["charged"], one["owed"]) for one in listed["paid"]] == [(spent, spent)]
    assert tally("agent", "channel", "settle", "--owed", "1")[1]["settled"] == []
    status, settled = tally("agent", "channel", "settle")
    assert (status, settled["settled"][0]["amount"], len(settled["transactions"])) == (0, spent, 1)
    assert tally("agent", "channel", "settle")[1]["settled"] == []
    shown = tally("agent", "channel", "show", wanted)[1]
    assert (shown["claimed"], shown["state"], shown["beyond_receipts"]) == (spent, "open", "0")
    status, error = tally("agent", "channel", "refund", wanted, "0.5", "--as", "stranger")
    assert (status, error["code"]) == (3, "deposits: not the payee")
    status, given = tally("agent", "channel", "refund", wanted, "0.1", "--as", "shop")
    assert (status, given["deposit"]) == (0, str(61 * 10**17))
    status, ended = tally("agent", "channel", "close", wanted, "--as", "shop", "--yes")
    assert (status, ended["claimed"], ended["returned"]) == (0, spent, str(61 * 10**17 - int(spent)))
    assert tally("agent", "channel", "show", wanted)[1]["state"] == "closed"
    status, error = tally("agent", "channel", "close", wanted, "--as", "shop", "--yes")
    assert (status, error["code"]) == (3, "books: closed")


def test_the_payer_gets_the_rest_back_after_the_delay(tally: Any, workspace: Path) -> None:
    wanted = tally("agent", "channel", "open", "shop", "5", "--delay", "15m")[1]["channel"]
    status, error = tally("agent", "channel", "withdraw", wanted, "--as", "stranger")
    assert (status, error["code"]) == (3, "endings: not the payer")
    status, asked = tally("agent", "channel", "withdraw", wanted)
    assert (status, asked["state"]) == (0, "closing")
    status, error = tally("agent", "channel", "withdraw", wanted)
    assert (status, error["code"]) == (3, "endings: too early")
    wait(workspace, 900)
    status, done = tally("agent", "channel", "withdraw", wanted, "--as", "stranger")
    assert (status, done["state"], done["claimed"]) == (0, "closed", "0")


def test_a_wallets_session_opens_a_channel_under_its_rules_and_a_guardian_ends_it(
    tally: Any, token: str, tmp_path: Path
) -> None:
    path = tmp_path / ".tally"
    refused = ("agent", "channel", "open", "shop", "5", "--token", token, "--wallet", "bot", "--as", "bot")
    status, error = tally(*refused)
    assert (status, error["code"]) == (2, "channel.why")
    status, error = tally(*refused, *FOR)
    assert (status, error["code"]) == (3, "rules: no rule")
    let_channels(tally, path, token)
    status, made = tally(*refused, *FOR)
    wallet = tally("agent", "wallet", "show", "bot")[1]["wallet"]
    assert (status, made["deposit"], made["payer"], made["signer"]) == (0, "5000000", wallet, address_of(path, "bot"))
    status, more = tally("agent", "channel", "top-up", made["channel"], "1", "--wallet", "bot", "--as", "bot", *FOR)
    assert (status, more["deposit"]) == (0, "6000000")
    with behind() as upstream, selling(tmp_path, upstream, *PRICE, "--as", "shop", "--token", token) as url:
        asked = ("agent", "channel", "call", made["channel"], url, "--max", "0.1", "--data", "hello")
        assert tally(*asked)[1]["charged"] == "100000"
    assert tally("agent", "freeze", "bot", "--as", "guard", "--yes")[0] == 0
    assert tally("agent", "channel", "withdraw", made["channel"], "--as", "guard")[1]["state"] == "closing"
    settled = tally("agent", "channel", "settle", "--token", token)[1]
    assert [one["amount"] for one in settled["settled"]] == ["100000"]  # signed before, and good


def let_channels(tally: Any, path: Path, token: str) -> None:
    """Let the sealed wallet's session open and feed channels in the token, as the page on channels writes it."""
    with open_tally(path) as opened:
        contract = opened.agents.channels.contract(token, make=True).address
        delay = opened.agents.wallet("bot").contracts.account.delays()[0]
    file = path.parent / "bot.toml"
    rules = [
        f"""
[rules.{name}]
target = "{contract}"
call = "{selector}"
token = "USD"
payee = 1
amount = 6
call_cap = "20"
pulls = true
constraints = [{{ argument = 2, is = "{address_of(path, "bot")}" }}, {{ argument = 3, high = 86400 }}]
"""
        for name, selector in (("open-channel", "0x0af0d5bd"), ("top-up-channel", "0xa69024b4"))
    ]
    file.write_text(file.read_text("utf-8") + "".join(rules), "utf-8")
    assert tally("agent", "policy", "apply", "bot", str(file), "--yes")[0] == 0
    wait(path, delay)
    assert tally("agent", "policy", "apply", "bot", str(file), "--yes")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("open", "shop", "x"), "amount.form"),
        (("open", "shop", "1", "--delay", "0"), "cli.usage"),
        (("open", "0x12", "1"), "address.form"),
        (("open", "shop", "1", "--wallet", "nobody", "--for", "x"), "agent.wallet"),
        (("top-up", "12", "1"), "cli.channel"),
        (("top-up", "ab" * 32, "1"), "channel.not_ours"),
        (("show", "ab" * 32), "channel.not_ours"),
        (("close", "ab" * 32, "--yes"), "channel.not_ours"),
        (("refund", "ab" * 32, "1"), "channel.not_ours"),
        (("withdraw", "ab" * 32), "channel.not_ours"),
        (("call", "zz", "http://127.0.0.1:1", "--max", "1"), "cli.channel"),
        (("call", "ab" * 32, "http://127.0.0.1:1", "--max", "1"), "channel.not_ours"),
        (("sell", "ftp://nowhere", "--price", "1"), "dialer.url"),
        (("sell", "http://127.0.0.1:1", "--price", "1", "--host", "0.0.0.0"), "listener.public"),
    ],
)
def test_what_cannot_be_meant_is_refused(tally: Any, workspace: Path, arguments: tuple[str, ...], code: str) -> None:
    status, error = tally("agent", "channel", *arguments)
    assert (status, error["code"]) == (2, code)


def test_the_contract_refuses_what_is_no_channel(tally: Any, workspace: Path) -> None:
    for arguments, code in (
        (("open", "shop", "1", "--delay", "1m"), "deposits: bad delay"),
        (("open", "shop", "0"), "deposits: no amount"),
    ):
        status, error = tally("agent", "channel", *arguments)
        assert (status, error["code"]) == (3, code)


def test_a_call_that_nobody_answered_is_sent_again_and_paid_for_once(
    tally: Any, workspace: Path, tmp_path: Path
) -> None:
    wanted = tally("agent", "channel", "open", "shop", "5")[1]["channel"]
    asked = ("agent", "channel", "call", wanted, "http://127.0.0.1:9", "--max", "0.1")
    for _ in range(2):
        status, error = tally(*asked)
        assert (status, error["code"]) == (4, "channel.undecided")
    shown = tally("agent", "channel", "show", wanted)[1]
    assert (shown["undecided"], shown["signed"]) == (str(10**17), str(10**17))
