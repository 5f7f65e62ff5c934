"""A planner fetches and pays: from a real server on loopback, within its purse's limits, told what was paid."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from tallystick.agents.loop import Called, Moment, Toolbox, ToolCall
from tallystick.agents.payments.purse_book import SETTLED
from tallystick.agents.payments.terms import Flow
from tallystick.chain.accounts import Account
from tallystick.core.limits import BUY_ANSWER_BYTES_MAX
from tallystick.services.buying import buying_tool
from tallystick.services.paywall.asgi import Paywall, by_path
from tests.agents.payments.market import CENT

MOMENT = Moment("buy an answer", "a planner", bytes(32), b"all it has read")


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer what was said; `/moved` leads elsewhere, `/long` says too much, `/lost` breaks off."""
    message, path = await receive(), scope["path"]
    kept = [(b"x-wanted", dict(scope["headers"]).get(b"authorization", b"nothing"))]
    if path == "/moved":
        await send({"type": "http.response.start", "status": 302, "headers": [(b"location", b"/paid")]})
        await send({"type": "http.response.body", "body": kept[0][1]})
        return
    status = 500 if path == "/broken" else 200
    length = [(b"content-length", b"100")] if path == "/lost" else []
    await send({"type": "http.response.start", "status": status, "headers": [*kept, *length]})
    said = b"x" * (BUY_ANSWER_BYTES_MAX + 1) if path.startswith("/long") else b"you said " + message["body"]
    await send({"type": "http.response.body", "body": said})


@contextlib.contextmanager
def shop(market: Any) -> Iterator[str]:
    """Sell for a cent on a port of this machine; yield the address."""
    config = uvicorn.Config(application, port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    cashier = market.cashier(seller=Account(market.ledger.secrets[market.seller]))
    prices = by_path(
        [("*", one, market.terms()) for one in ("/paid", "/broken")]
        + [("*", "/long-paid", market.terms(flow=Flow.BEFORE))]
    )
    config.loaded_app = wall = Paywall(application, cashier, prices, origin=url)
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join()
        wall.close()


@pytest.fixture
def url(market: Any) -> Iterator[str]:
    with shop(market) as found:
        yield found


def call(market: Any, url: str, body: str | None = None, **options: Any) -> Called:
    """Return the answer to a planner's call."""
    options = {"each": 10 * CENT, **options}
    each, daily = options.pop("each"), options.pop("daily", None)
    tools = Toolbox([buying_tool(lambda moment: market.purse(each, daily), **options)])
    arguments = {"url": url} if body is None else {"url": url, "body": body}
    return tools.call(ToolCall("call-1", "fetch", json.dumps(arguments)), MOMENT)


def place(url: str) -> str:
    return url.removeprefix("http://")


def test_what_costs_something_is_paid_and_the_planner_is_told_what(market: Any, url: str) -> None:
    got = call(market, f"{url}/paid", '{"a": 1}')
    found = json.loads(got.answer)
    assert (got.is_refused, found["status"], found["body"]) == (False, 200, 'you said {"a": 1}')
    (booked,) = market.book.newest(10)
    assert found["paid"] == {
        "payment": booked.id, "state": SETTLED, "amount": str(CENT), "token": market.token.address,
        "payee": market.seller,
    }  # fmt: skip
    assert market.balance(market.seller) == CENT


def test_what_costs_nothing_is_not_paid(market: Any, url: str) -> None:
    found = json.loads(call(market, f"{url}/free").answer)
    assert (found["status"], found["body"], found["paid"]) == (200, "you said ", None)
    assert market.balance(market.seller) == 0


@pytest.mark.parametrize("options", [{"each": CENT - 1}, {"daily": CENT - 1}])
def test_beyond_the_purses_limits_nothing_is_paid(market: Any, url: str, options: dict[str, int]) -> None:
    got = call(market, f"{url}/paid", "{}", **options)
    assert (got.is_refused, got.code) == (True, "payment.refused" if "each" in options else "payment.budget")
    assert market.balance(market.seller) == 0


def test_each_call_has_the_purse_that_is_lent_for_it(market: Any, url: str) -> None:
    lent: list[Moment] = []
    tool = buying_tool(lambda moment: lent.append(moment) or market.purse())  # type: ignore[func-returns-value]
    for number in range(2):
        moment = Moment("a goal", "a planner", bytes(32), str(number).encode())
        Toolbox([tool]).call(ToolCall("1", "fetch", json.dumps({"url": f"{url}/paid", "body": str(number)})), moment)
    assert [one.prompt for one in lent] == [b"0", b"1"]
    assert market.balance(market.seller) == 2 * CENT


def test_the_payee_that_is_known_of_a_host_is_paid_and_no_other(market: Any, url: str) -> None:
    got = call(market, f"{url}/paid", "{}", payees={place(url): market.stranger})
    assert (got.code, market.balance(market.seller)) == ("payment.refused", 0)
    assert "is meant" in got.answer
    assert not call(market, f"{url}/paid", "{}", payees={place(url): market.seller}).is_refused
    assert market.balance(market.seller) == CENT


def test_only_the_hosts_of_a_list_are_asked(market: Any, url: str) -> None:
    assert not call(market, f"{url}/free", hosts=frozenset({place(url)})).is_refused
    got = call(market, f"{url}/free", hosts=frozenset({"elsewhere.example:443"}))
    assert (got.code, "elsewhere.example:443" in got.answer) == ("buy.url", True)


@pytest.mark.parametrize(
    "address",
    [
        "http://elsewhere.example/", "http://127.0.0.1.example/", "http://user@127.0.0.1/", "http://@127.0.0.1/",
        "ftp://127.0.0.1/", "file:///etc/passwd", "https:///nowhere", "http://127.0.0.1:x/", "http://[::1/", "", "paid",
        "http://127.0.0.1:99999/", "https://127.0.0.1:1/\n", "http://127.0.0.1\\@x.example/",
    ],
)  # fmt: skip
def test_other_addresses_are_not_asked(market: Any, address: str) -> None:
    assert call(market, address).code == "buy.url"


def test_credentials_of_the_surroundings_do_not_leave(
    market: Any, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """A proxy would stand between purse and seller, and a netrc file would tell a stranger who the host is."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    found = json.loads(call(market, f"{url}/moved").answer)
    assert (found["status"], found["body"]) == (302, "nothing")


def test_a_redirect_is_told_and_not_followed(market: Any, url: str) -> None:
    found = json.loads(call(market, f"{url}/moved", "{}").answer)
    assert (found["status"], found["paid"], market.balance(market.seller)) == (302, None, 0)


def test_who_does_not_answer_is_unreachable_and_nothing_is_paid(market: Any, url: str) -> None:
    assert call(market, "http://127.0.0.1:1/", "{}").code == "buy.unreachable"
    assert call(market, f"{url}/lost").code == "buy.unreachable"
    assert market.book.newest(10) == []


def test_an_answer_that_is_too_long_is_refused_and_says_what_it_cost(market: Any, url: str) -> None:
    free = call(market, f"{url}/long")
    assert (free.code, json.loads(free.answer)["hint"]) == ("buy.answer", "ask for less")
    paid = call(market, f"{url}/long-paid", "{}")
    (booked,) = market.book.newest(10)
    assert (paid.code, booked.state) == ("buy.answer", SETTLED)
    assert booked.id in json.loads(paid.answer)["hint"]


def test_work_that_fails_costs_nothing(market: Any, url: str) -> None:
    found = json.loads(call(market, f"{url}/broken", "{}").answer)
    assert found["status"] == 500
    assert market.balance(market.seller) == 0


def test_it_says_that_it_spends(market: Any) -> None:
    tool = buying_tool(lambda moment: market.purse())
    assert (tool.effect, tool.level, tool.price != "") == ("spends", 2, True)
