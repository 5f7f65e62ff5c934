"""Buying and selling by the command line: within limits, from a key or a wallet, once whatever crashes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.terms import Flow
from tallystick.core.errors import InvalidInput
from tallystick.services.paywall.asgi import Paywall, by_path
from tests.cli.agent_kit import address_of, make_token, open_tally

Commands = Callable[..., tuple[int, Any]]


@pytest.fixture
def coin(workspace: Path) -> str:
    """A token of which the workspace's account has a million."""
    return make_token(workspace)


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what was asked; `/broken` fails."""
    message = await receive()
    status = 500 if scope["path"] == "/broken" else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"you asked " + message["body"]})


@contextlib.contextmanager
def shop(workspace: Path, token: str, price: str = "0.01", pay_to: str = "shop") -> Iterator[str]:
    """Sell at a price from this workspace; yield the address."""
    with open_tally(workspace) as seller:
        desk = seller.agents.payments
        terms = desk.terms(price, token, pay_to)
        before = desk.terms(price, token, pay_to, flow=Flow.BEFORE)
        cashier = desk.cashier(desk.scheme([token]), pay_to)
        config = uvicorn.Config(answering, port=0, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        prices = by_path([("*", "/answer", terms), ("*", "/broken", before), ("*", "/fails", terms)])
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        config.loaded_app = wall = Paywall(answering, cashier, prices, origin=url)
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()
            wall.close()


def test_a_key_buys_within_limits_and_the_receipt_is_checked(tally: Commands, workspace: Path, coin: str) -> None:
    with shop(workspace, coin) as url:
        status, got = tally(
            "agent",
            "fetch",
            f"{url}/answer",
            "--max",
            "0.05",
            "--token",
            coin,
            "--data",
            "what?",
            "--output",
            "got.txt",
        )
        assert (status, got["status"]) == (0, 200)
        assert Path("got.txt").read_text() == "you asked what?"
        assert (got["payment"]["state"], got["payment"]["amount"]) == ("settled", "10000")
        assert got["receipt_checks"] == {"passed": 4, "total": 4}
        status, refused = tally("agent", "fetch", f"{url}/answer", "--max", "0.005", "--token", coin)
        assert (status, refused["code"]) == (3, "payment.refused")
        free = tally("agent", "fetch", f"{url}/free", "--max", "0.05", "--token", coin)
        assert "payment" not in free[1]
    listed = tally("agent", "payments", "list")[1]
    assert [one["state"] for one in listed["bought"]] == ["settled"]
    assert [one["state"] for one in listed["sold"]] == ["settled"]
    assert tally("agent", "payments", "reconcile")[1] == {"payments": []}


def test_work_that_fails_after_it_was_paid_is_given_back_once(tally: Commands, workspace: Path, coin: str) -> None:
    shop_at = address_of(workspace, "main")
    with shop(workspace, coin, pay_to="main") as url:
        status, got = tally("agent", "fetch", f"{url}/broken", "--max", "1", "--token", coin, "--session", "main")
        assert (status, got["status"]) == (1, 500)
    assert tally("agent", "payments", "list")[1]["sold"][0]["owed"] == "the work ended with 500"
    status, done = tally("agent", "payments", "refund", "--yes")
    assert [(one["payer"], one["amount"]) for one in done["refunds"]] == [(shop_at, "10000")]
    assert tally("agent", "payments", "refund", "--yes")[1] == {"refunds": []}


def test_a_wallet_buys_through_its_slots_and_its_policy_says_no_before_its_purse(
    tally: Commands, workspace: Path, coin: str
) -> None:
    assert tally("agent", "new", "bot", "--guardian", "guard", "--token", coin, "--payee", "shop")[0] == 0
    file = Path("bot.policy.toml")
    slots = 'slots = { token = "USD", max = 2, per = "1d", cap = "0.02" }'
    text = file.read_text()
    if "slots" in text:
        text = "\n".join(slots if line.startswith("slots") else line for line in text.splitlines())
    else:
        text = text.replace('level = "', slots + '\nlevel = "', 1)
    file.write_text(text)
    assert tally("agent", "policy", "apply", "bot", str(file), "--yes")[0] == 0
    assert tally("agent", "wallet", "fund", "bot", "1", "--token", coin)[0] == 0
    assert tally("agent", "wallet", "seal", "bot", "--yes")[0] == 0
    paying = ("--token", coin, "--wallet", "bot", "--session", "bot", "--max", "1")
    with shop(workspace, coin) as url:
        for number in range(2):
            status, got = tally("agent", "fetch", f"{url}/answer", "--data", str(number), *paying)
            assert (status, got["payment"]["state"]) == (0, "settled")
        status, refused = tally("agent", "fetch", f"{url}/answer", "--data", "3", *paying)
        assert refused["code"] == "payment.slots"
    with shop(workspace, coin, price="0.03") as url:
        status, refused = tally("agent", "fetch", f"{url}/answer", *paying)
        assert refused["code"] == "payment.refused"
        assert "policy" in refused["message"]
    with shop(workspace, coin, pay_to="thief") as url:
        assert "does not let" in tally("agent", "fetch", f"{url}/answer", *paying)[1]["message"]
    assert tally("agent", "audit", "bot", "--policy", str(file))[1]["balanced"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("fetch", "ftp://shop/", "--max", "1"), "operation.resource"),
        (("fetch", "http://127.0.0.1:1/", "--max", "1"), "fetch.lost"),
        (("fetch", "http://127.0.0.1:1/", "--max", "one"), "amount.form"),
        (("fetch", "http://127.0.0.1:1/", "--max", "1", "--header", "nonsense"), "cli.header"),
        (("payments", "forget-payee", "http://nowhere", "--yes"), "payment.origin"),
    ],
)
def test_what_cannot_be_asked_is_said(
    tally: Commands, workspace: Path, coin: str, arguments: tuple[str, ...], code: str
) -> None:
    token = ("--token", coin) if arguments[0] == "fetch" else ()
    status, told = tally("agent", *arguments, *token)
    assert status
    assert told["code"] == code


def test_a_price_on_predictions_is_in_a_token_and_settled_here_or_by_another(workspace: Path, coin: str) -> None:
    from tallystick.cli.serve import sell

    with open_tally(workspace) as opened:
        assert sell(opened, "0.01", coin, "shop", "own", None) is not None
        assert sell(opened, "0.01", coin, "shop", "http://127.0.0.1:1", "https://models.example") is not None
        with pytest.raises(InvalidInput) as caught:
            sell(opened, "0.01", None, "shop", "own", None)
        assert caught.value.code == "serve.token"
        with pytest.raises(InvalidInput):
            sell(opened, "0.01", coin, "shop", "not a URL", None)


@pytest.mark.long
def test_two_facilitators_of_one_workspace_settle_one_payment_by_one_transaction(workspace: Path, coin: str) -> None:
    command = [sys.executable, "-m", "tallystick", "agent", "facilitator", "-w", str(workspace), "--json"]
    started = [
        subprocess.Popen([*command, "--token", coin, "--port", "0"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        urls = [json.loads(process.stdout.readline())["url"] for process in started]
        with open_tally(workspace) as opened:
            desk, what = opened.agents.payments, Operation.of_http("GET", "http://shop/")
            payment = desk.purse([coin], "1").pay(desk.terms("0.01", coin, "shop").challenge(what), what, "").payment
        body = {
            "x402Version": 2, "paymentPayload": payment.to_dict(),
            "paymentRequirements": dict(payment.accepted.raw),
        }  # fmt: skip
        with ThreadPoolExecutor(4) as threads:
            told = list(threads.map(lambda url: httpx.post(f"{url}/settle", json=body, timeout=60).json(), urls * 2))
        assert len({one["transaction"] for one in told}) == 1
        assert all(one["success"] for one in told)
        for process in started:
            process.terminate()
        assert [process.wait(30) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
            process.wait()
            process.stdout.close()
