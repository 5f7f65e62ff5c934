"""Optimistic answers among liars: one honest watcher, one honest claimant, and everybody else doing as they like.

The watcher does nothing but look before each deadline passes. What must hold, whatever the others do: no wrong answer
is ever final, the honest claimant never loses a bond, coins are conserved, and in the end nothing waits for anybody.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tallystick.chain.calls import Call
from tallystick.core.errors import Rejected
from tallystick.lithic.assurance.trace import first_fault, words
from tests.contracts.optimistic_kit import BOND, FEE, PATIENCE, WINDOW, Kit
from tests.contracts.token_kit import make_token

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
REQUESTER, LIAR, WATCHER, HONEST, OTHER = range(5)
HELD = 5  # the contract itself, in the ledger of who has what
whose = st.integers(0, 5)


class OptimisticMachine(RuleBasedStateMachine):
    """`wealth` is an independent ledger of who has gained what: it knows of each verb only what should move."""

    def __init__(self, ledger, coin):
        super().__init__()
        self.ledger = ledger
        self.kit = Kit.on(ledger, coin=coin)
        self.ids = []  # of the requests, in order
        self.wealth = dict.fromkeys(range(6), 0)
        self.gas = dict.fromkeys(range(6), 0)  # what transactions cost, in the native coin
        self.before = {who: self.balance(who) for who in self.wealth}
        self.standing = {}  # request → (claimant, trace, deadline)
        self.waiting = {}  # request → when its patience is over
        self.closed = {}  # request → the claim that is final, None if there is none
        self.owed = dict.fromkeys(range(5), 0)
        self.burned = 0
        self.requester_of = {}
        self.ask(REQUESTER, 0)

    def send(self, call, who):
        mined = self.ledger.send(call, self.ledger.accounts[who])
        self.gas[who] += mined.gas_used * self.ledger.node.block().base_fee
        return mined

    def try_to(self, call, who):
        """Let somebody try; return the reason of a refusal, None if it was allowed, and the block's time."""
        try:
            return None, self.send(call, who).time
        except Rejected as error:
            return error.code, 0

    def balance(self, who):
        """What somebody has of the coin, and would have if gas cost nothing."""
        address = self.kit.contract.address if who == HELD else self.ledger.accounts[who]
        return self.kit.balance(address) + (0 if self.kit.coin else self.gas[who])

    def moved(self, giver, receiver, amount):
        self.wealth[giver] -= amount
        self.wealth[receiver] += amount

    @property
    def now(self):
        return self.ledger.node.block().timestamp

    def some(self, place):
        """Return one of the requests, most often the latest."""
        return self.ids[max(0, len(self.ids) - 1 - place)]

    @rule(who=st.sampled_from([REQUESTER, LIAR]), shift=st.integers(0, 1))
    def ask(self, who, shift):
        if len(self.ids) < 6:
            self.ledger.time = self.now
            x = self.kit.middle(shift)
            request_id = self.kit.keep(x, self.send(self.kit.asking(x), who))
            self.ids.append(request_id)
            self.moved(who, HELD, FEE)
            self.waiting[request_id] = self.now + PATIENCE
            self.requester_of[request_id] = who

    @rule(place=whose, stage=st.integers(0, 3), consistent=st.booleans())
    def lie(self, place, stage, consistent):
        request_id = self.some(place)
        self.claimed(request_id, LIAR, self.kit.lie(request_id, stage, consistent=consistent))

    @rule(place=whose)
    def claim_honestly(self, place):
        request_id = self.some(place)
        self.claimed(request_id, HONEST, self.kit.right(request_id))

    def claimed(self, request_id, who, told):
        self.ledger.time = self.now
        reason, time = self.try_to(self.kit.claiming(request_id, told), who)
        expected = None
        if request_id in self.closed:
            expected = "optimistic: closed"
        elif request_id in self.standing:
            expected = "optimistic: already claimed"
        elif self.now >= self.waiting[request_id]:
            expected = "optimistic: too late"
        assert reason == expected
        if reason is None:
            del self.waiting[request_id]
            self.moved(who, HELD, BOND)
            self.standing[request_id] = (who, told, time + WINDOW)

    @rule(place=whose, who=st.sampled_from([LIAR, OTHER]), stage=st.integers(0, 3), claimed_vector=st.booleans())
    def attack(self, place, who, stage, claimed_vector):
        """Try to refute at any stage, with the true vector or the claim's own."""
        request_id = self.some(place)
        if request_id in self.standing:
            _, told, deadline = self.standing[request_id]
            right = self.kit.right(request_id)
            vector = words((told if claimed_vector else right).vectors[stage])
            self.ledger.time = self.now
            reason, _ = self.try_to(self.kit.refuting(request_id, told, stage, vector=vector), who)
            if reason is None:
                assert first_fault(right, told.hashes) is not None
                assert self.now < deadline
                self.fell(request_id, who)

    def fell(self, request_id, challenger):
        del self.standing[request_id]
        self.waiting[request_id] = self.now + PATIENCE
        self.owed[challenger] += BOND // 2
        self.burned += BOND - BOND // 2

    @rule(place=whose, who=st.sampled_from([LIAR, OTHER]), gives_back=st.booleans())
    def settle(self, place, who, gives_back):
        self.ledger.time = self.now
        request_id = self.some(place)
        self.settled(request_id, who, gives_back)

    def settled(self, request_id, who, gives_back):
        if request_id in self.standing:
            told = self.standing[request_id][1]
        else:
            told = self.closed.get(request_id) or self.kit.right(request_id)
        call = self.kit.giving_back(request_id) if gives_back else self.kit.finalising(request_id, told)
        reason, _ = self.try_to(call, who)
        if reason is not None:
            return reason
        if gives_back:
            assert self.now >= self.waiting.pop(request_id)
            self.owed[self.requester_of[request_id]] += FEE
            self.closed[request_id] = None
        else:
            claimant, told, deadline = self.standing.pop(request_id)
            assert self.now >= deadline
            self.closed[request_id] = told
            self.owed[claimant] += FEE + BOND
        return None

    @rule(who=st.integers(0, 4))
    def collect(self, who):
        self.ledger.time = self.now
        reason, _ = self.try_to(self.kit.contract.collect(), who)
        assert reason == (None if self.owed[who] else "optimistic: nothing owed")
        self.moved(HELD, who, self.owed[who])
        self.owed[who] = 0

    @rule(minutes=st.sampled_from([1, 20, 31, 61]))
    def wait(self, minutes):
        """The watcher looks, and then time passes: nobody's deadline passes without a look."""
        self.watch()
        self.let_pass(60 * minutes)

    def let_pass(self, seconds):
        self.ledger.time = self.now + seconds
        self.send(Call(self.ledger.accounts[OTHER], b""), OTHER)

    def watch(self):
        for request_id, (_, told, deadline) in list(self.standing.items()):
            fault = first_fault(self.kit.right(request_id), told.hashes)
            if fault is not None and self.now < deadline:
                self.ledger.time = self.now
                assert self.try_to(self.kit.refuting(request_id, told, fault.stage), WATCHER)[0] is None
                self.fell(request_id, WATCHER)

    @invariant()
    def coins_are_conserved(self):
        contract, ledger = self.kit.contract, self.ledger
        held = FEE * (len(self.standing) + len(self.waiting)) + BOND * len(self.standing)
        assert self.kit.balance(contract.address) == held + sum(self.owed.values()) + self.burned
        assert contract.burned() == self.burned
        assert [contract.owed(ledger.accounts[who]) for who in range(5)] == list(self.owed.values())
        assert {who: self.balance(who) - self.before[who] for who in self.wealth} == self.wealth

    @invariant()
    def no_wrong_answer_is_final_and_the_honest_bond_stands(self):
        for request_id, told in self.closed.items():
            right = self.kit.right(request_id)
            assert told is None or told.answer == right.answer
            assert self.kit.is_final(request_id, right) == (told is not None)
        for request_id, (who, _, _) in self.standing.items():
            claimant = self.kit.contract.request_of(request_id).claimant
            assert claimant == self.ledger.accounts[who]

    def teardown(self):
        """After every deadline a stranger closes what is open, and only what was burned stays."""
        self.watch()
        self.let_pass(WINDOW + PATIENCE)
        for request_id in sorted({*self.standing, *self.waiting}):
            self.ledger.time = self.now
            assert self.settled(request_id, OTHER, request_id in self.waiting) is None
        self.no_wrong_answer_is_final_and_the_honest_bond_stands()
        for who in range(5):
            self.collect(who)
        assert self.kit.balance(self.kit.contract.address) == self.burned


@pytest.mark.parametrize("coin", ["native", "ordinary", "no_return"])
def test_no_lie_survives_one_honest_watcher(ledger, coin):
    token = None if coin == "native" else make_token(ledger, coin)
    run_state_machine_as_test(
        lambda: OptimisticMachine(ledger, token),
        settings=settings(
            max_examples=25 if LONG else 8 if token is None else 3,
            stateful_step_count=60 if LONG else 25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
