"""Stock peers of x402: any client pays our server, ours pays any server, any server settles by our facilitator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time

import httpx
import pytest
import requests
import uvicorn
from x402.http.clients.requests import x402_http_adapter
from x402.http.utils import decode_payment_response_header

from tallystick.agents.payments.purse_book import SETTLED
from tallystick.agents.payments.receipts import EXTENSION, SignedReceipt, check_receipt
from tallystick.agents.payments.terms import Flow
from tallystick.chain.accounts import Account
from tallystick.services.paying.transport import BOOKED, PayingTransport
from tallystick.services.paywall.asgi import Paywall, by_path
from tests.agents.payments.market import CENT, ORIGIN, operation
from tests.services.payments import stock


def application(parts: int = 1):
    """Return an ASGI application that answers with its request, in some parts."""

    async def app(scope, receive, send):
        message = await receive()
        body = b"you said " + message["body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        for _ in range(parts - 1):
            await send({"type": "http.response.body", "body": b"part ", "more_body": True})
        await send({"type": "http.response.body", "body": body})

    return app


def paywall(market, app, **terms):
    prices = by_path([("POST", "/paid", market.terms(**terms))])
    cashier = market.cashier(seller=Account(market.ledger.secrets[market.seller]))
    return Paywall(app, cashier, prices, origin=ORIGIN)


@pytest.mark.parametrize("flow", Flow)
def test_a_stock_httpx_client_pays_and_gets_answer_and_receipt(market, flow):
    app = paywall(market, application(3), flow=flow)

    async def buy():
        async with stock.async_client(market, app) as client:
            return await client.post("/paid", content=b"hello")

    answer = asyncio.run(buy())
    assert (answer.status_code, answer.content) == (200, b"part part you said hello")
    told = decode_payment_response_header(answer.headers["PAYMENT-RESPONSE"])
    assert told.success
    assert (told.payer, told.amount) == (market.payer, str(CENT))
    assert market.balance(market.seller) == CENT
    receipt = SignedReceipt.read(told.extensions[EXTENSION]["info"])
    what = operation("/paid", b"hello")
    sold = answer.content if flow is Flow.AFTER else None  # who streams does not know yet what
    assert check_receipt(receipt, operation=what.hash(), answer=sold, node=market.node).ok
    assert not check_receipt(receipt, operation=what.hash(), answer=b"another answer").ok


def test_what_is_free_stays_free_and_a_wrong_price_is_not_paid(market):
    app = paywall(market, application(), amount=2_000_000)

    async def buy():
        async with stock.async_client(market, app) as client:
            free = await client.post("/free", content=b"hello")
            with pytest.raises(Exception, match="payment"):
                await client.post("/paid", content=b"hello")
            return free

    assert asyncio.run(buy()).status_code == 200
    assert market.balance(market.seller) == 0


@contextlib.contextmanager
def listening(app):
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_a_stock_requests_client_pays_over_a_socket(market):
    app = paywall(market, application())
    with listening(app) as url, requests.Session() as session:
        session.mount("http://", x402_http_adapter(stock.sync_client(market)))
        answer = session.post(f"{url}/paid", data=b"hello")
    assert (answer.status_code, answer.content) == (200, b"you said hello")
    assert market.balance(market.seller) == CENT


def test_our_client_pays_a_stock_server_that_settles_by_our_facilitator(market):
    with stock.facilitator(market) as url, stock.asking(url) as asked_one:
        shop = stock.Shop(market, asked_one, CENT)
        purse = market.purse()
        with httpx.Client(transport=PayingTransport(purse, httpx.MockTransport(shop))) as client:
            answer = client.get(f"{ORIGIN}/paid")
            again = client.get(f"{ORIGIN}/paid")
    assert (answer.status_code, answer.json()) == (200, {"answer": 42})
    assert answer.extensions[BOOKED].state == SETTLED
    assert again.status_code == 200
    assert market.balance(market.seller) == 2 * CENT


def test_a_stock_client_pays_a_stock_server_by_our_facilitator(market):
    with stock.facilitator(market) as url, stock.asking(url) as asked_one:
        shop = stock.Shop(market, asked_one, CENT)
        asked = shop(httpx.Request("GET", f"{ORIGIN}/paid"))
        assert asked.status_code == 402
        wallet = stock.sync_client(market)
        from x402.http import x402HTTPClientSync

        paying = x402HTTPClientSync(wallet)
        required = paying.get_payment_required_response(asked.headers.get, None)
        headers = paying.encode_payment_signature_header(wallet.create_payment_payload(required))
        answer = shop(httpx.Request("GET", f"{ORIGIN}/paid", headers=headers))
        again = shop(httpx.Request("GET", f"{ORIGIN}/paid", headers=headers))
    assert (answer.status_code, json.loads(answer.content)) == (200, {"answer": 42})
    assert again.status_code == 402
    assert market.balance(market.seller) == CENT
