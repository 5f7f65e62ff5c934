"""The paywall's edges: what fails is not charged, what streams is paid first, what cannot be read is said."""

from __future__ import annotations

import asyncio
import base64
import json

import httpx
import pytest

from tallystick.agents.payments import reasons
from tallystick.agents.payments.purse_book import SIGNED
from tallystick.agents.payments.terms import Flow
from tallystick.agents.payments.wire import write_header
from tallystick.core.limits import PAYMENT_ANSWER_BYTES_MAX
from tallystick.services.paying.transport import BOOKED, PayingTransport
from tests.agents.payments.market import CENT, ORIGIN, operation
from tests.services.payments.test_interop import application, paywall


def ask(app, *args, **options):
    async def once():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
            return await client.request(*args, **options)

    return asyncio.run(once())


class Through(httpx.BaseTransport):
    """A synchronous transport into an ASGI application."""

    def __init__(self, app):
        self.app = app

    def handle_request(self, request):
        answer = ask(self.app, request.method, request.url, headers=request.headers, content=request.read())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def buy(market, app, body=b"q", **options):
    paying = PayingTransport(market.purse(), Through(app), pause=lambda s: None, **options)
    with httpx.Client(transport=paying) as client:
        return client.post(f"{ORIGIN}/paid", content=body)


def failing(how):
    async def app(scope, receive, send):
        if how == "raises":
            raise RuntimeError("broken")
        if how == "says nothing":
            return
        await send({"type": "http.response.start", "status": 500 if how == "status" else 200, "headers": []})
        body = bytes(PAYMENT_ANSWER_BYTES_MAX + 1) if how == "too large" else b"sorry"
        await send({"type": "http.response.body", "body": body, "more_body": how == "stops"})

    return app


@pytest.mark.parametrize("how", ["raises", "says nothing", "status", "too large", "stops"])
def test_work_that_fails_costs_nothing_and_its_payment_buys_the_next_try(market, how):
    broken, good = paywall(market, failing(how)), paywall(market, application())
    if how == "raises":
        with pytest.raises(RuntimeError):
            buy(market, broken)
    else:
        answer = buy(market, broken)
        assert (answer.status_code, answer.extensions[BOOKED].state) == (500, SIGNED)
        assert reasons.WORK in answer.extensions[BOOKED].note
    assert market.balance(market.seller) == 0
    answer = buy(market, good)
    assert (answer.status_code, answer.content) == (200, b"you said q")
    assert market.balance(market.seller) == CENT
    assert len(market.book.newest(10)) == 1


@pytest.mark.parametrize("how", ["raises", "status"])
def test_work_that_fails_after_it_was_paid_is_owed_back(market, how):
    app = paywall(market, failing(how), flow=Flow.BEFORE)
    if how == "raises":
        with pytest.raises(RuntimeError):
            buy(market, app)
    else:
        buy(market, app)
    assert market.balance(market.seller) == CENT
    assert len(market.claims.owed()) == 1


def test_what_streams_leaves_as_it_is_made_since_it_is_paid(market):
    seen = []

    async def app(scope, receive, send):
        seen.append(market.balance(market.seller))
        await application(50)(scope, receive, send)

    answer = buy(market, paywall(market, app, flow=Flow.BEFORE))
    assert answer.content == b"part " * 49 + b"you said q"
    assert seen == [CENT]


@pytest.mark.parametrize("flow", Flow)
def test_no_cache_between_keeps_a_paid_answer_or_a_demand_whatever_the_application_says(market, flow):
    async def app(scope, receive, send):
        headers = [(b"Cache-Control", b"public, max-age=600"), (b"etag", b"one")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"bought"})

    wall = paywall(market, app, flow=flow)
    answers = [ask(wall, "POST", "/paid", content=b"q"), buy(market, wall), buy(market, wall)]
    assert [answer.status_code for answer in answers] == [402, 200, 200]
    assert [answer.headers.get_list("cache-control") for answer in answers] == [["no-store"]] * 3
    assert [answer.headers.get("etag") for answer in answers] == [None, "one", "one"]


def test_a_large_stream_is_made_again_a_few_times_and_then_no_more(market):
    made = []

    async def app(scope, receive, send):
        made.append(1)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(PAYMENT_ANSWER_BYTES_MAX + 1)})

    wall, what, terms = paywall(market, app, flow=Flow.BEFORE), operation("/paid", b"q"), market.terms(flow=Flow.BEFORE)
    booked = market.purse().pay(terms.challenge(what), what, ORIGIN)
    headers = {"PAYMENT-SIGNATURE": write_header(booked.payment.to_dict())}
    codes = [ask(wall, "POST", "/paid", content=b"q", headers=headers).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 402, 402]
    assert len(made) == 3
    assert market.balance(market.seller) == CENT


@pytest.mark.parametrize(
    "header",
    [
        "", "nonsense", "%%%", "a" * 20_000, base64.b64encode(b"[]").decode(),
        base64.b64encode(b'{"a":1,"a":2}').decode(),
        base64.b64encode(b"[" * 9_000).decode(), base64.b64encode(b'{"x402Version":1}').decode(),
        base64.b64encode(b'{"x402Version":NaN}').decode(), base64.b64encode(b"\xff\xfe").decode(),
        base64.b64encode(b'{"x402Version":2,"accepted":{},"payload":{}}').decode(),
    ],
)  # fmt: skip
def test_a_payment_that_cannot_be_read_is_a_bad_request(market, header):
    answer = ask(paywall(market, application()), "POST", "/paid", headers={"PAYMENT-SIGNATURE": header})
    assert answer.status_code == 400
    assert "error" in answer.json()
    assert "PAYMENT-REQUIRED" not in answer.headers


def test_two_payments_in_one_request_are_a_bad_request(market):
    headers = [("PAYMENT-SIGNATURE", "a"), ("PAYMENT-SIGNATURE", "b")]
    assert ask(paywall(market, application()), "POST", "/paid", headers=headers).status_code == 400


def test_the_old_header_of_version_one_is_no_payment(market):
    answer = ask(paywall(market, application()), "POST", "/paid", headers={"X-PAYMENT": "e30="})
    assert answer.status_code == 402


def test_a_refusal_says_why_in_the_new_challenge(market):
    app, other = paywall(market, application()), operation("/other", b"q")
    booked = market.purse().pay(market.terms().challenge(other), other, ORIGIN)
    headers = {"PAYMENT-SIGNATURE": write_header(booked.payment.to_dict())}
    answer = ask(app, "POST", "/paid", content=b"q", headers=headers)
    assert answer.status_code == 402
    assert answer.json()["error"] == reasons.OPERATION
    told = json.loads(base64.b64decode(answer.headers["PAYMENT-RESPONSE"]))
    assert (told["success"], told["errorReason"]) == (False, reasons.OPERATION)


@pytest.mark.parametrize(
    ("path", "is_same"),
    [("/paid?", True), ("/p%61id", True), ("/./paid", True), ("/paid?a=1", False), ("/paid/", False)],
)
def test_one_request_in_two_spellings_is_one_operation(market, path, is_same):
    app, what, terms = paywall(market, application()), operation("/paid", b"q"), market.terms()
    booked = market.purse().pay(terms.challenge(what), what, ORIGIN)
    headers = {"PAYMENT-SIGNATURE": write_header(booked.payment.to_dict())}
    answer = ask(app, "POST", f"http://SHOP.test:80{path}", content=b"q", headers=headers)
    assert (answer.status_code == 200 and market.balance(market.seller) == CENT) == is_same


def test_a_websocket_to_what_has_a_price_is_closed(market):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    async def app(scope, receive, send):
        raise AssertionError("reached")

    wall = paywall(market, app)
    wall._prices = lambda method, path: market.terms()
    asyncio.run(wall({"type": "websocket", "path": "/paid", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "there is no way to pay here"}]
