"""Payments on another implementation of the machine: whose clock runs ahead, and whose payers may delegate to code."""

from __future__ import annotations

import time

import pytest
from anvil_node import KEYS, running_anvil

from tallystick.agents.payments.cashier import Cashier
from tallystick.agents.payments.claims import Claims
from tallystick.agents.payments.failures import Failures
from tallystick.agents.payments.outcomes import Settled
from tallystick.agents.payments.payers import KeyPayer
from tallystick.agents.payments.purse import Limits, Purse
from tallystick.agents.payments.purse_book import SETTLED, PurseBook
from tallystick.agents.payments.settling import ExactScheme
from tallystick.agents.payments.terms import Price, Terms
from tallystick.agents.payments.verifying import Allowed
from tallystick.chain.accounts import Account
from tallystick.chain.connect import connect
from tallystick.chain.deploy import deploy
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import Rejected
from tests.agents.payments.market import CENT, ORIGIN, operation

ALICE, BOB, CAROL = (Account(bytes.fromhex(key[2:])) for key in KEYS[:3])
DAY_S = 86_400


class Place:
    """Alice pays Carol in her token; Bob brings it. The clock is the later of the machine's and the chain's."""

    def __init__(self, anvil, node, folder):
        self.anvil, self.node = anvil, node
        self.outbox = Outbox(folder / "outbox.db", node, BOB)
        self.token = deploy(self.outbox, "Token", arguments=["Dollar", "USD", 6, 10**12, ALICE.address]).address
        self.terms = Terms((Price.of_token(node, self.token, CENT, CAROL.address),))
        allowed, failures = Allowed(frozenset({self.token})), Failures(folder / "failures.db")
        self.scheme = ExactScheme(self.outbox, allowed, failures, self.clock)
        self.cashier = Cashier(Claims(folder / "claims.db"), {"exact": self.scheme}, self.clock)
        limits = Limits({self.token: CENT})
        self.purse = Purse(PurseBook(folder / "purse.db"), {"exact": KeyPayer(node, ALICE)}, limits, node, self.clock)

    def clock(self):
        return max(time.time(), float(self.node.block().timestamp))

    def ask(self, method, *params):
        return self.node.request(method, list(params), lambda value, what: value)

    def buy(self, path):
        what = operation(path)
        booked = self.purse.pay(self.terms.challenge(what), what, ORIGIN)
        settled = self.cashier.settle(self.cashier.accept(booked.payment, self.terms, what), b"answer")
        assert isinstance(settled, Settled), settled
        return self.purse.learn(booked, settled.to_settlement())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with running_anvil() as anvil, connect(anvil.url) as node:
        made = Place(anvil, node, tmp_path_factory.mktemp("anvil"))
        yield made
        made.outbox.close()


@pytest.mark.anvil
def test_a_call_is_paid_for_there_too_also_when_the_chain_is_a_day_ahead(place):
    assert place.buy("/1").state == SETTLED
    place.ask("evm_increaseTime", hex(DAY_S))
    place.ask("anvil_mine", "0x1")
    assert place.node.block().timestamp > time.time() + DAY_S / 2
    assert place.buy("/2").state == SETTLED


@pytest.mark.anvil
def test_a_key_that_delegates_to_code_pays_where_the_token_takes_it_and_signs_nothing_anew(place):
    what = operation("/3")
    booked = place.purse.pay(place.terms.challenge(what), what, ORIGIN)
    place.ask("anvil_setCode", ALICE.address, "0xef0100" + "00" * 19 + "04")
    try:
        assert place.scheme.verify(booked.payment, booked.payment.accepted).is_valid  # our token asks the key first
        with pytest.raises(Rejected, match="7702"):
            place.purse.pay(place.terms.challenge(operation("/4")), operation("/4"), ORIGIN)
    finally:
        place.ask("anvil_setCode", ALICE.address, "0x")
