"""Predictions with a price: answered once they are settled, and both receipts tell of the same entry."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.receipts import EXTENSION, SignedReceipt, check_receipt
from tallystick.agents.payments.wire import read_header
from tallystick.chain.accounts import Account
from tallystick.core.merkle import leaf_hash
from tallystick.services.gateway.till import Till
from tallystick.services.paying.transport import BOOKED, PayingTransport
from tests.agents.payments.market import CENT, Market
from tests.contracts.conftest import Ledger
from tests.services.deployed import INFER, ask, serving


@pytest.fixture
def market(tmp_path: Path):
    ledger = Ledger(tmp_path / "chain.db")
    ledger.time = int(time.time()) - 60
    made = Market(ledger, tmp_path / "books")
    ledger.time = max(ledger.time, int(time.time()))
    yield made
    made.close()
    ledger.node.close()


@pytest.fixture
def gateway(market, tmp_path: Path):
    till = Till(market.cashier(seller=Account(market.ledger.secrets[market.seller])), market.terms())
    with serving(tmp_path / "log", till=till) as running:
        yield running


def buyer(market):
    return httpx.Client(transport=PayingTransport(market.purse()), headers={"content-type": "application/json"})


def test_a_paid_prediction_has_a_payment_receipt_that_names_its_inference_receipt(market, gateway):
    body = ask(0)
    with buyer(market) as client:
        answer = client.post(gateway.url + INFER, content=body)
    assert answer.status_code == 200
    entry = leaf_hash(bytes.fromhex(answer.json()["parameters"]["tallystick_receipt"]["entry"]))
    told = read_header(answer.headers["PAYMENT-RESPONSE"])
    receipt = SignedReceipt.read(told["extensions"][EXTENSION]["info"])
    what = Operation.of_http("POST", gateway.url + INFER, body)
    report = check_receipt(receipt, operation=what.hash(), answer=answer.content, entry=entry, node=market.node)
    assert report.ok
    assert report.total == 5
    assert not check_receipt(receipt, operation=what.hash(), entry=bytes(32)).ok
    assert answer.extensions[BOOKED].amount == CENT
    assert gateway.log.size == 1
    assert market.balance(market.seller) == CENT


def test_without_a_payment_nothing_is_predicted_and_the_rest_stays_free(market, gateway):
    with httpx.Client(base_url=gateway.url, headers={"content-type": "application/json"}) as client:
        asked = client.post(INFER, content=ask(0))
        assert asked.status_code == 402
        assert json.loads(asked.content)["accepts"][0]["payTo"] == market.seller
        assert client.get("/v2/health/ready").status_code == 200
        assert client.get("/status").status_code == 200
    assert gateway.log.size == 0


def test_a_request_that_cannot_be_answered_is_not_charged(market, gateway):
    with buyer(market) as client:
        answer = client.post(gateway.url + INFER, content=b'{"inputs":[]}')
        assert answer.status_code == 400
        assert market.balance(market.seller) == 0
        again = client.post(gateway.url + INFER, content=ask(1))
    assert again.status_code == 200
    assert market.balance(market.seller) == CENT
