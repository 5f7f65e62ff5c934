"""The facilitator as a server: who may ask, how often, and what is answered to requests that are no payments."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tallystick.agents.payments import reasons
from tallystick.agents.payments.outcomes import Refused, Settled
from tallystick.agents.payments.verifying import Allowed, Verifier
from tallystick.agents.payments.witnessed import WitnessedScheme
from tallystick.core.errors import InvalidInput, Unavailable
from tallystick.core.limits import FACILITATOR_BURST, FACILITATOR_PAYER_BURST
from tallystick.services.facilitator.app import FacilitatorDoor, Offer
from tallystick.services.facilitator.rates import Rates
from tallystick.services.facilitator.remote import RemoteFacilitator
from tallystick.services.facilitator.server import serve
from tallystick.services.http1 import Request
from tests.agents.payments.market import CENT, ORIGIN, operation
from tests.services.payments import stock


def paid(market, path="/v2/answer"):
    what = operation(path)
    return market.purse().pay(market.terms().challenge(what), what, ORIGIN).payment


def body(payment, **changes):
    return {
        "x402Version": 2, "paymentPayload": payment.to_dict(), "paymentRequirements": dict(payment.accepted.raw),
    } | changes  # fmt: skip


def test_it_says_what_it_supports_verifies_and_settles_once(market):
    payment = paid(market)
    with stock.facilitator(market) as url, httpx.Client(base_url=url) as client:
        supported = client.get("/supported").json()
        assert supported["kinds"] == [
            {"x402Version": 2, "scheme": "exact", "network": f"eip155:{market.ledger.chain_id}"}
        ]
        assert supported["signers"] == {"eip155:*": [market.bringer]}
        assert client.post("/verify", json=body(payment)).json() == {"isValid": True, "payer": market.payer}
        with ThreadPoolExecutor(8) as threads:
            told = list(threads.map(lambda _: client.post("/settle", json=body(payment)).json(), range(8)))
        assert client.post("/verify", json=body(payment)).json()["invalidReason"] == reasons.USED
    assert len({one["transaction"] for one in told}) == 1
    assert all(one["success"] for one in told)
    assert market.balance(market.seller) == CENT


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/settle", b"", 405),
        ("POST", "/supported", b"{}", 405),
        ("GET", "/", b"", 404),
        ("POST", "/settle", b"", 400),
        ("POST", "/settle", b"{}", 400),
        ("POST", "/verify", b"[" * 5_000, 400),
        ("POST", "/settle", b"x" * 70_000, 413),
        ("POST", "/settle", b'{"x402Version":2,"paymentPayload":{"x402Version":1},"paymentRequirements":{}}', 400),
    ],
)
def test_what_is_no_payment_is_told_so(market, method, path, content, status):
    with stock.facilitator(market) as url, httpx.Client(base_url=url) as client:
        answer = client.request(method, path, content=content)
    assert answer.status_code == status
    assert "error" in answer.json()


def test_a_scheme_or_a_network_that_is_not_settled_here_is_refused_in_the_protocols_words(market):
    payment = paid(market)
    other = dict(payment.accepted.raw) | {"network": "eip155:1"}
    with stock.facilitator(market) as url, httpx.Client(base_url=url) as client:
        told = client.post("/settle", json=body(payment, paymentRequirements=other)).json()
        said = client.post("/verify", json=body(payment, paymentRequirements=other)).json()
    assert (told["success"], told["errorReason"]) == (False, reasons.SCHEME)
    assert (said["isValid"], said["invalidReason"]) == (False, reasons.SCHEME)


def test_clients_show_a_token_where_there_are_any(market):
    payment, secret = paid(market), "0123456789abcdef"
    with stock.facilitator(market, tokens=[secret]) as url, httpx.Client(base_url=url) as client:
        assert client.get("/supported").status_code == 200
        for shown in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {secret}"}):
            assert client.post("/settle", json=body(payment), headers=shown).status_code == 401
        assert market.balance(market.seller) == 0
        remote = RemoteFacilitator(url, secret)
        assert remote.supports("exact", payment.accepted.network)
        assert remote.settle(payment, payment.accepted).success
        remote.close()
    with pytest.raises(InvalidInput, match="too short"):
        serve([], tokens=["short"], on_ready=lambda host, port: None)


def test_a_seller_without_gas_sells_through_another_facilitator_and_believes_the_chain(market):
    payment = paid(market)
    with stock.facilitator(market) as url:
        remote = RemoteFacilitator(url)
        verifier = Verifier(market.node, Allowed(frozenset({market.token.address})), market.clock, market.seller)
        cashier = market.cashier(WitnessedScheme(remote, verifier, market.node, market.clock))
        accepted = cashier.accept(payment, market.terms(), operation())
        assert isinstance(cashier.settle(accepted, b"answer"), Settled)
        remote.close()
    assert market.balance(market.seller) == CENT


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500), httpx.Response(302, headers={"location": "http://elsewhere"}),
        httpx.Response(200, text="hi"), httpx.Response(200, json=[]), httpx.Response(200, json={"success": "yes"}),
        httpx.Response(200, text="x" * 70_000),
    ],
    ids=["500", "302", "text", "list", "word", "large"],
)  # fmt: skip
def test_a_facilitator_that_answers_nonsense_says_nothing(market, answer):
    payment = paid(market)
    remote = RemoteFacilitator("http://facilitator.test", transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises((Unavailable, InvalidInput)):
        remote.settle(payment, payment.accepted)
    remote.close()


def test_who_asks_too_often_waits():
    now = [0.0]
    rates = Rates(2.0, 3, lambda: now[0])
    assert [rates.take("a") for _ in range(4)] == [True, True, True, False]
    assert rates.take("b")
    now[0] = 0.5
    assert [rates.take("a"), rates.take("a")] == [True, False]


def test_a_flood_is_answered_with_429_until_time_has_passed():
    now = [0.0]
    door = FacilitatorDoor([], clock=lambda: now[0])
    asked = Request("POST", "/verify", "", {}, b"{}", is_last=False)
    codes = [door.handle(asked).status for _ in range(FACILITATOR_BURST + 5)]
    assert codes == [400] * FACILITATOR_BURST + [429] * 5
    now[0] = 1.0
    assert door.handle(asked).status == 400
    door.close()


def test_a_payer_that_settles_too_often_waits(market):
    class Busy:
        name = "exact"

        def __init__(self, scheme):
            self.claim = scheme.claim

        def settle(self, payment, requirements):
            return Refused(reasons.FAILED)

    door = FacilitatorDoor([Offer(Busy(market.scheme()), paid(market).accepted.network, "")], clock=lambda: 0.0)

    async def ask(payment):
        content = json.dumps(body(payment)).encode()
        return (await door.handle(Request("POST", "/settle", "", {}, content, is_last=False))).status

    payment = paid(market)
    codes = [asyncio.run(ask(payment)) for _ in range(FACILITATOR_PAYER_BURST + 3)]
    assert codes == [200] * FACILITATOR_PAYER_BURST + [429] * 3
    door.close()
