"""Payment channels among liars: tokens that misbehave, payees and payers with code that call back while coins move.

`sums` is an independent ledger, kept from what the balances of all parties did and from which vouchers were signed.
What must hold, whoever calls what in which order, and whatever is called in the middle: the contract holds exactly
what its open channels have left, no payee had more than a voucher said, and a closed channel gave out what came in.
"""

from __future__ import annotations

import os

import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tallystick.agents.channels.signing import channel_id
from tallystick.chain.bindings.payment_channels import Claim, Claimed, Closed, Opened, Refunded, ToppedUp
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tests.contracts.channel_kit import DELAY, Channels
from tests.contracts.kernels import compiled

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
KINDS = ["native", "ordinary", "no_return", "returns_false", "reentrant", "blocklisting"] if LONG else [
    "native", "reentrant"
]  # fmt: skip

# Does what anybody tells it to, and does one thing more when coins reach it, or when a token calls it meanwhile.
AGENT = """
# pragma version 0.4.3
target: address
data: Bytes[2048]
amount: uint256
fired: public(uint256)

@payable
@external
def do(target: address, data: Bytes[2048], amount: uint256):
    raw_call(target, data, value=amount)

@payable
@external
def arm(target: address, data: Bytes[2048], amount: uint256):
    self.target = target
    self.data = data
    self.amount = amount

@payable
@external
def __default__():
    if self.target != empty(address):
        target: address = self.target
        self.target = empty(address)
        done: bool = raw_call(target, self.data, value=self.amount, revert_on_failure=False)
        if done:
            self.fired += 1
"""

# Does what anybody tells it to, and takes no coins.
MUTE = """
# pragma version 0.4.3
@payable
@external
def do(target: address, data: Bytes[2048], amount: uint256):
    raw_call(target, data, value=amount)
"""


def told(verb, agent, call):
    given = encode(["address", "bytes", "uint256"], [call.to, call.data, call.value])
    return Call(agent, keccak(f"{verb}(address,bytes,uint256)".encode())[:4] + given, call.value)


class ChannelMachine(RuleBasedStateMachine):
    """Channels of four pairs: plain accounts and agents with code, each as payer and as payee."""

    def __init__(self, ledger, kind):
        super().__init__()
        self.channels = Channels.of_kind(ledger, kind)
        self.ledger, self.kind = ledger, kind
        self.agents = [ledger.deploy(compiled(AGENT)) for _ in range(2)]
        for agent in self.agents:
            self.provide(agent)
        self.payers = [self.channels.payer, self.agents[0]]
        self.payees = [self.channels.payee, self.agents[1]]
        self.made, self.signed, self.armed = [], {}, False
        self.came, self.paid, self.returned = {}, {}, {}
        for payer, payee in ((0, 0), (1, 1)):
            self.open(payer, payee, 1_000)

    def provide(self, agent):
        """Give an agent coins, and of a token let the contract take them."""
        if self.channels.coin is None:
            self.ledger.send(Call(agent, b"", 10**6), self.ledger.accounts[6])
            return
        self.ledger.send(self.channels.coin.mint(agent, 10**6), self.ledger.accounts[0])
        allow = self.channels.coin.approve(self.channels.address, 10**6)
        self.ledger.send(told("do", agent, allow), self.ledger.accounts[0])

    def send(self, call, who):
        """Let somebody do it, an agent by being told to; return what happened, None if it was refused."""
        self.ledger.time = max(self.ledger.time, self.channels.now())
        try:
            if who in self.agents:
                mined = self.ledger.send(told("do", who, Call(call.to, call.data, call.value)), self.ledger.accounts[6])
            else:
                mined = self.ledger.send(call, who)
        except Rejected:
            return None
        for event in self.channels.events(mined):
            self.book(event)
        return mined

    def book(self, event):
        """Keep what an event says; the balances are compared with it after every step."""
        known = event.channel_id
        if isinstance(event, Opened | ToppedUp | Refunded):
            self.came[known] = self.came.get(known, 0) + event.amount
        if isinstance(event, Claimed):
            self.paid[known] = self.paid.get(known, 0) + event.amount
            assert event.total == self.paid[known] <= self.signed.get(known, 0)
        if isinstance(event, Closed):
            assert known not in self.returned
            self.returned[known] = event.returned
            assert event.returned == self.came[known] - self.paid.get(known, 0)

    def some(self, place):
        return self.made[place % len(self.made)]

    def sign(self, terms, amount):
        known = channel_id(terms)
        self.signed[known] = max(self.signed.get(known, 0), amount)
        return self.channels.signed(terms, amount)

    @rule(payer=st.integers(0, 1), payee=st.integers(0, 1), amount=st.integers(1, 1_000))
    def open(self, payer, payee, amount):
        if len(self.made) < 6:
            terms = self.channels.terms(payer=self.payers[payer], payee=self.payees[payee])
            if self.send(self.channels.opening(terms, amount), terms.payer) is not None:
                self.made.append(terms)

    @rule(place=st.integers(0, 5), amount=st.integers(0, 500), refunds=st.booleans(), wrong=st.booleans())
    def add(self, place, amount, refunds, wrong):
        terms = self.some(place)
        who = terms.payee if refunds != wrong else terms.payer
        verb = self.channels.contract.refund if refunds else self.channels.contract.top_up
        done = self.send(verb(terms, amount, value=self.channels.value(amount)), who)
        assert done is None or not wrong

    @rule(place=st.integers(0, 5), amount=st.integers(0, 1_500), less=st.integers(0, 300), forged=st.booleans())
    def claim(self, place, amount, less, forged):
        terms, total = self.some(place), max(0, amount - less)
        signature = self.channels.signed(terms, amount, self.channels.stranger) if forged else self.sign(terms, amount)
        done = self.send(self.channels.contract.claim(terms, amount, total, signature), self.channels.stranger)
        assert done is None or not forged

    @rule(payee=st.integers(0, 1), amount=st.integers(0, 1_500))
    def claim_many(self, payee, amount):
        claims = [Claim(one, amount, amount, self.sign(one, amount)) for one in self.made]
        self.send(self.channels.contract.claim_many(self.payees[payee], claims), self.channels.stranger)

    @rule(place=st.integers(0, 5), wrong=st.booleans())
    def ask(self, place, wrong):
        terms = self.some(place)
        done = self.send(self.channels.contract.ask_withdrawal(terms), terms.payee if wrong else terms.payer)
        assert done is None or not wrong

    @rule(place=st.integers(0, 5))
    def withdraw(self, place):
        terms = self.some(place)
        closes = self.channels.state(terms).closes
        done = self.send(self.channels.contract.withdraw(terms), self.channels.stranger)
        assert done is None or 0 < closes <= done.time

    @rule(place=st.integers(0, 5), amount=st.integers(0, 1_500), wrong=st.booleans())
    def close(self, place, amount, wrong):
        terms = self.some(place)
        call = self.channels.contract.close(terms, amount, amount, self.sign(terms, amount))
        done = self.send(call, terms.payer if wrong else terms.payee)
        assert done is None or not wrong

    @rule(seconds=st.sampled_from([1, DELAY // 2, DELAY]))
    def wait(self, seconds):
        self.channels.wait(seconds)

    @rule(agent=st.integers(0, 1), place=st.integers(0, 5), what=st.integers(0, 4), amount=st.integers(1, 1_500))
    def lie_in_wait(self, agent, place, what, amount):
        """Do one thing more when coins next move: claim again, close, withdraw, feed or ask."""
        terms, contract, value = self.some(place), self.channels.contract, self.channels.value
        call = [
            lambda: contract.claim(terms, amount, amount, self.sign(terms, amount)),
            lambda: contract.close(terms, amount, amount, self.sign(terms, amount)),
            lambda: contract.withdraw(terms),
            lambda: contract.refund(terms, amount, value=value(amount)),
            lambda: contract.top_up(terms, amount, value=value(amount)),
        ][what]()
        who = self.agents[agent]
        self.ledger.send(told("arm", who, Call(call.to, call.data, call.value)), self.ledger.accounts[6])
        if self.kind == "reentrant":
            hook = self.channels.coin.arm(Call(who, b""), before=bool(amount % 2))
            self.ledger.send(hook, self.ledger.accounts[6])

    @invariant()
    def coins_are_conserved(self):
        left = 0
        for terms in self.made:
            known, state = channel_id(terms), self.channels.state(terms)
            came, paid = self.came[known], self.paid.get(known, 0)
            assert (state.deposit, state.claimed, state.is_closed) == (came, paid, known in self.returned)
            assert paid <= min(came, self.signed.get(known, 0) if paid else 0)
            left += 0 if state.is_closed else came - paid
        assert self.channels.held() == left


@pytest.mark.parametrize("kind", KINDS)
def test_coins_are_conserved_whatever_is_called_in_the_middle(ledger, kind):
    run_state_machine_as_test(
        lambda: ChannelMachine(ledger, kind),
        settings=settings(
            max_examples=40 if LONG else 6,
            stateful_step_count=50 if LONG else 25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_payee_that_closes_again_while_it_is_paid_gets_nothing_twice(ledger):
    machine = ChannelMachine(ledger, "native")
    terms = machine.made[1]
    agent, contract = terms.payee, machine.channels.contract
    other = machine.channels.opened(5_000)  # somebody else's coins are there to take
    again = contract.close(terms, 400, 400, machine.sign(terms, 400))
    ledger.send(told("arm", agent, again), ledger.accounts[6])
    before = machine.channels.balance(agent), machine.channels.balance(terms.payer)
    assert machine.send(again, agent) is not None
    after = machine.channels.balance(agent), machine.channels.balance(terms.payer)
    assert (after[0] - before[0], after[1] - before[1]) == (400, 600)
    assert machine.channels.held() == 1_000 + 5_000
    assert not machine.channels.state(other).is_closed


def test_coins_that_an_agent_moves_while_it_is_paid_are_moved_rightly(ledger):
    """The hook fires: it tops up its own channel as payer of another while it is paid as payee."""
    machine = ChannelMachine(ledger, "native")
    channels = machine.channels
    agent = machine.agents[1]
    own = channels.terms(payer=agent, payee=channels.payee)
    machine.send(channels.opening(own, 10), agent)
    machine.made.append(own)
    ledger.send(told("arm", agent, channels.contract.top_up(own, 7, value=7)), ledger.accounts[6])
    terms = machine.made[1]
    machine.send(channels.contract.claim(terms, 100, 100, machine.sign(terms, 100)), channels.stranger)
    assert channels.state(own).deposit == 17
    machine.coins_are_conserved()


@pytest.mark.parametrize("kind", ["liar", "rebasing", "fee_on_transfer"])
def test_a_coin_that_lies_takes_nothing_from_another_contract(ledger, refused, kind):
    """One coin per contract: what is wrong with a coin stays with those who chose it."""
    channels = Channels.of_kind(ledger, kind)
    if kind == "liar":
        ledger.send(channels.coin.call("pretend(bool)", True), channels.payer)
    if kind != "rebasing":
        with refused("coins: other amount moved"):
            channels.opened(1_000)
        return
    terms, other = channels.opened(1_000), channels.opened(1_000)
    ledger.send(channels.coin.call("rebase(uint256,uint256)", 1, 2), channels.payer)
    channels.send(channels.closing(terms, 1_000), channels.payee)
    with refused("coins: transfer refused"):
        channels.send(channels.closing(other, 1_000), channels.payee)


def test_a_payer_that_takes_no_coins_back_keeps_the_payee_from_nothing(ledger, refused):
    channels = Channels(ledger)
    mute = ledger.deploy(compiled(MUTE))
    terms = channels.terms(payer=mute)
    ledger.send(told("do", mute, channels.opening(terms, 100)), channels.stranger)
    with refused("coins: transfer refused"):
        channels.send(channels.closing(terms, 60), channels.payee)
    channels.send(channels.claiming(terms, 60), channels.payee)
    assert (channels.held(), channels.state(terms).claimed) == (40, 60)


def test_an_account_that_its_token_blocks_holds_up_only_itself(ledger, refused):
    channels = Channels.of_kind(ledger, "blocklisting")
    terms, other = channels.opened(100), channels.opened(100)
    ledger.send(channels.coin.call("block(address,bool)", channels.payer, True), channels.stranger)
    with refused("coins: transfer refused"):
        channels.send(channels.closing(terms, 60), channels.payee)
    channels.send(channels.claiming(terms, 60), channels.payee)
    ledger.send(channels.coin.call("block(address,bool)", channels.payer, False), channels.stranger)
    channels.send(channels.closing(terms, 60), channels.payee)
    ledger.send(channels.coin.call("block(address,bool)", channels.payee, True), channels.stranger)
    channels.send(channels.contract.ask_withdrawal(other), channels.payer)
    channels.wait(DELAY)
    channels.send(channels.contract.withdraw(other), channels.stranger)
    assert channels.held() == 0


def test_a_payee_that_claims_again_while_it_is_paid_gets_nothing_twice(ledger):
    machine = ChannelMachine(ledger, "native")
    terms = machine.made[1]
    machine.channels.opened(5_000)  # somebody else's coins are there to take
    again = machine.channels.contract.claim(terms, 400, 400, machine.sign(terms, 400))
    ledger.send(told("arm", terms.payee, again), ledger.accounts[6])
    before = machine.channels.balance(terms.payee)
    assert machine.send(again, machine.channels.stranger) is not None
    assert machine.channels.balance(terms.payee) - before == 400
    assert machine.channels.state(terms).claimed == 400
    assert machine.channels.held() == 1_000 + 600 + 5_000
