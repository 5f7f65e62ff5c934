"""Killed at any point of a settlement, run twice at once, or cut off from its node: one payment is one transfer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import tallystick
from tallystick.agents.payments.cashier import Accepted
from tallystick.agents.payments.outcomes import Settled, Unknown
from tallystick.agents.payments.purse_book import SETTLED, SIGNED
from tallystick.chain.accounts import Account
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import Unavailable
from tallystick.services.paying.transport import BOOKED, PayingTransport
from tallystick.services.paywall.gate import Sold, enter, leave
from tests.agents.payments.market import CENT, ORIGIN, operation

PROGRAM = Path(__file__).with_name("settling.py")


@pytest.fixture(scope="module")
def elsewhere():
    """A process whose children settle."""
    environment = {"PYTHONPATH": str(Path(tallystick.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def settle_elsewhere(elsewhere, market, ledger):
    """Return a function that settles a payment in other processes; how they ended, and what they said."""

    def settle(payment, count=1, point=""):
        job = {
            "chain": str(ledger.path), "folder": str(market.folder), "token": market.token.address, "point": point,
            "count": count, "payment": json.dumps(payment.to_dict()),
        }  # fmt: skip
        elsewhere.stdin.write(json.dumps(job) + "\n")
        elsewhere.stdin.flush()
        return json.loads(elsewhere.stdout.readline())

    return settle


def payment_of(market, what=None):
    what = what or operation()
    return market.purse().pay(market.terms().challenge(what), what, ORIGIN)


@pytest.mark.parametrize("point", ["draft.before", "draft.after", "sign.after", "send.before", "send.after"])
def test_killed_in_a_settlement_it_is_finished_by_whoever_asks_next_and_once(market, settle_elsewhere, point):
    booked, before = payment_of(market), market.node.nonce(market.bringer)
    codes, said = settle_elsewhere(booked.payment, point=point)
    assert (codes, said) == ([-signal.SIGKILL], [])
    outcome = market.scheme().settle(booked.payment, booked.payment.accepted)
    assert isinstance(outcome, Settled)
    assert market.balance(market.seller) == CENT
    assert market.node.nonce(market.bringer) == before + 1


def test_processes_that_settle_one_payment_at_once_send_one_transaction(market, settle_elsewhere):
    booked = payment_of(market)
    codes, said = settle_elsewhere(booked.payment, count=4)
    assert codes == [0] * 4
    assert len(set(said)) == 1
    assert said[0].startswith("Settled(")
    assert market.balance(market.seller) == CENT


# --- a node that does not answer


class Cut:
    """A provider whose line is cut for some methods."""

    def __init__(self, provider):
        self.provider, self.methods, self.hits = provider, frozenset(), 0

    def make_request(self, method, params):
        if method in self.methods:
            self.hits += 1
            raise Unavailable("rpc.unreachable", "the line is cut")
        return self.provider.make_request(method, params)


@pytest.fixture
def cut(market):
    return Cut(market.node.provider)


@pytest.fixture
def unsure(market, cut):
    """A scheme whose node may be cut off; it waits for nothing."""
    outbox = Outbox(market.folder / "outbox.db", Node(cut), Account(b"\x63" * 32))
    yield market.scheme(outbox=outbox, wait_s=0.0)
    outbox.close()


@pytest.mark.parametrize(
    "methods",
    [
        {"eth_sendRawTransaction"},
        {"eth_getTransactionReceipt"},
        {"eth_call"},
        {"eth_getTransactionReceipt", "eth_getTransactionCount"},
    ],
    ids=lambda methods: "+".join(sorted(methods)),
)
def test_cut_off_while_settling_the_answer_stays_and_the_same_payment_gets_it(market, cut, unsure, methods):
    cashier, what, terms = market.cashier(unsure), operation(), market.terms()
    booked = payment_of(market, what)
    accepted = cashier.accept(booked.payment, terms, what)
    assert isinstance(accepted, Accepted)
    cut.methods = frozenset(methods)
    assert isinstance(cashier.settle(accepted, b"answer"), Unknown)
    assert cut.hits
    assert isinstance(cashier.accept(booked.payment, terms, what), Unknown)
    cut.methods = frozenset()
    answered = cashier.accept(booked.payment, terms, what)
    assert answered.answer == b"answer"
    assert market.balance(market.seller) == CENT


def test_cut_off_before_the_work_nothing_is_claimed_and_the_payment_stays_good(market, cut, unsure):
    cashier, what, terms = market.cashier(unsure), operation(), market.terms()
    booked = payment_of(market, what)
    cut.methods = frozenset({"eth_call"})
    assert isinstance(cashier.accept(booked.payment, terms, what), Unknown)
    cut.methods = frozenset()
    assert isinstance(cashier.accept(booked.payment, terms, what), Accepted)


def test_a_seller_that_was_cut_off_settles_what_is_open_when_it_starts_again(market, cut, unsure):
    cashier, what, terms = market.cashier(unsure), operation(), market.terms()
    accepted = cashier.accept(payment_of(market, what).payment, terms, what)
    cut.methods = frozenset({"eth_sendRawTransaction"})
    assert isinstance(cashier.settle(accepted, b"answer"), Unknown)
    cut.methods = frozenset()
    (outcome,) = market.cashier().resume()
    assert isinstance(outcome, Settled)
    assert market.cashier().resume() == []


# --- the whole way over HTTP


class Server:
    """A shop behind the gate, which may lose answers after it has settled, or be cut off from its node."""

    def __init__(self, market, cashier):
        self.market, self.cashier = market, cashier
        self.lose, self.seen, self.worked = 0, [], 0

    def __call__(self, request):
        header = request.headers.get("PAYMENT-SIGNATURE")
        self.seen.append(header)
        what, terms = operation("/answer", request.read(), request.method), self.market.terms()
        got = enter(self.cashier, header, terms, what)
        if not isinstance(got, Sold):
            self.worked += 1
            sold = Sold(200, b'{"answer":42}')
            got = leave(self.cashier.settle(got, sold.to_bytes(), body=sold.body), sold, terms, what)
        if header is not None and self.lose:
            self.lose -= 1
            raise httpx.ReadError("the line is cut")
        return httpx.Response(got.status, headers={**got.headers, "content-type": got.content_type}, content=got.body)

    def payments(self):
        return {header for header in self.seen if header is not None}


def client(market, server, purse, pauses=None, tries_max=6):
    pause = (lambda s: None) if pauses is None else pauses
    return httpx.Client(transport=PayingTransport(purse, httpx.MockTransport(server), pause=pause, tries_max=tries_max))


def test_an_answer_that_is_lost_on_its_way_is_asked_for_with_the_same_payment(market):
    server, purse = Server(market, market.cashier()), market.purse()
    server.lose = 2
    answer = client(market, server, purse).post(f"{ORIGIN}/answer", content=b"q")
    assert answer.json() == {"answer": 42}
    assert (len(server.payments()), server.worked) == (1, 1)
    assert answer.extensions[BOOKED].state == SETTLED
    assert market.balance(market.seller) == CENT


def test_after_a_crash_of_the_payer_the_same_payment_is_sent_again_and_no_challenge_is_asked_for(market):
    server = Server(market, market.cashier())
    server.lose = 99
    with pytest.raises(Unavailable) as caught:
        client(market, server, market.purse(), tries_max=2).post(f"{ORIGIN}/answer", content=b"q")
    assert caught.value.code == "payment.unknown"
    assert market.purse().newest()[0].state == SIGNED
    server.lose, asked = 0, len(server.seen)
    answer = client(market, server, market.purse()).post(f"{ORIGIN}/answer", content=b"q")
    assert answer.json() == {"answer": 42}
    assert len(server.seen) == asked + 1
    assert (len(server.payments()), server.worked) == (1, 1)


def test_while_the_node_is_down_the_server_says_503_and_never_asks_for_a_second_payment(market, cut, unsure):
    server, purse = Server(market, market.cashier(unsure)), market.purse()
    seen = []

    def pause(seconds):
        seen.append(seconds)
        if len(seen) == 3:
            cut.methods = frozenset()

    with client(market, server, purse, pause) as http:
        cut.methods = frozenset({"eth_sendRawTransaction"})
        answer = http.post(f"{ORIGIN}/answer", content=b"q")
    assert answer.json() == {"answer": 42}
    assert seen == [0.25, 0.5, 1.0]
    assert (len(server.payments()), server.worked) == (1, 1)
    assert market.balance(market.seller) == CENT
    assert time.time() < answer.extensions[BOOKED].valid_before
