"""A policy account in an attacker's hands: it holds every session key, the host and the EntryPoint, and does anything.

It picks calls, calldata, order and time, deploys a contract that calls back (and is a session itself), arms a token
that calls back, signs, relays, replays, bundles and proposes, opens channels and claims their vouchers. The owner only
ever lowers, and in the end a guardian freezes. A judge that shares no arithmetic with the contract sees what left:
within the buckets and slots, to allowed payees only, and nothing after a freeze.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tallystick.agents.policy.slots import slot_period
from tallystick.chain.bindings.policy_account import PackedUserOperation
from tallystick.chain.bindings.token import AuthorizationUsed, Transfer
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tests.contracts.kernels import compiled
from tests.contracts.policy_channel import OPEN, Channels
from tests.contracts.policy_judge import Budget, Judge
from tests.contracts.policy_kit import (
    ACCOUNT,
    DAY,
    HOUR,
    INTENT,
    NATIVE,
    NOBODY,
    PLAIN_RULE,
    SESSION,
    TRANSFER,
    Wallet,
    World,
    pay_rule,
    transfer_data,
)
from tests.contracts.policy_shop import BUY, SHOP
from tests.contracts.test_policy_signed import RECEIVE_TYPE, TRANSFER_TYPE, Coin, authorization, delegation
from tests.contracts.token_kit import make_token

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
CAPS = {"coin": 1_000, "other": 400, "native": 10**8}
SLOTS, SLOT_CAP = 2, 50
APPROVE = keccak(b"approve(address,uint256)")[:4]
FUNCTIONS = (  # of tokens, the shop, channels, the account and its companions, by which something might move
    "transfer(address,uint256)", "transferFrom(address,address,uint256)", "approve(address,uint256)", "buy(uint256)",
    "open(uint256,address)", "increaseAllowance(address,uint256)", "sweep(address,address)", "bump_epoch()",
    "set_level(address,uint8)", "rotate_session(address,address)", "accept_ownership()", "heartbeat()",
    "accrue(uint8,address,address)", "withdrawTo(address,uint256)", "cancel(address,address,bytes)",
    "apply(address,address,bytes)",
)  # fmt: skip

amounts = st.sampled_from([0, 1, 40, 50, 51, 200, 400, 600, 10**6, 2**128, 2**256 - 1])
few = st.one_of(st.just(0), st.integers(0, 40))  # of a session, payee, trick or old call, modulo what there is


class AttackMachine(RuleBasedStateMachine):
    def __init__(self, ledger, world):
        super().__init__()
        self.ledger, self.world = ledger, world
        self.seen = Counter()
        self.old = []

    @initialize()
    def everything_is_set_up(self):
        self.coin, self.other = Coin(self.ledger), make_token(self.ledger, "reentrant")
        self.shop = self.ledger.deploy(compiled(SHOP))
        self.channels = Channels(self.ledger, self.coin.address)
        w = self.wallet = Wallet(
            self.world, is_sealed=False, token=self.coin, denials_max=0, ops_max=60_000, slots=SLOTS,
            slot_period_s=HOUR, slot_cap=SLOT_CAP, slot_token=self.coin.address,
        )  # fmt: skip
        self.other.give(w.address, 10**6)
        w.fund(10**12)
        self.second = w.stranger
        for key in (self.second, self.shop):
            level = 3 if key == self.second else 2
            w.send(w.account.grant_session(key, w.terms(level=level, denials_max=0, ops_max=60_000)), w.owner)
        self.places = {"coin": self.coin.address, "other": self.other.address, "native": NATIVE}
        for name, cap in CAPS.items():
            for key in (NOBODY, w.session, self.second, self.shop):
                w.bucket(ACCOUNT if key == NOBODY else SESSION, key, self.places[name], cap=cap, refill=cap)
        self.set_rules()
        w.send(w.account.seal(), w.owner)
        budgets = {name: Budget(cap, cap, DAY) for name, cap in CAPS.items()}
        self.judge = Judge({w.payee, self.shop}, budgets, SLOT_CAP, SLOTS, HOUR)
        for budget in budgets.values():
            budget.start(w.now())
        self.judge.held, self.judge.others = self.balances(), self.gains()

    def set_rules(self):
        """Both tokens, a shop that pulls its price, native coin for the shop, which is a payee, channels to payees."""
        w = self.wallet
        for token in (self.coin, self.other):
            w.rule(token.address, TRANSFER, pay_rule(token.address, 600))
        w.rule(self.shop, BUY, pay_rule(self.coin.address, 600, pulls=True, recipient_word=-1, amount_word=0))
        w.rule(self.shop, bytes(4), replace(PLAIN_RULE, value_cap=10**7))
        opening = pay_rule(self.coin.address, 600, pulls=True, recipient_word=1, amount_word=0)
        w.rule(self.channels.address, OPEN, opening)
        w.allow(self.shop)
        w.allow(self.channels.address)

    # --- what the judge sees

    def balances(self):
        w = self.wallet
        native = self.ledger.node.balance(w.address)
        return {"coin": self.coin.balance_of(w.address), "other": self.other.balance_of(w.address), "native": native}

    def gains(self):
        """What those hold who must get nothing: the attacker's own keys, and two that are no payees."""
        w = self.wallet
        nobody = (w.session, self.second, w.guardian, w.owner)
        gains = {(t.address, who): t.balance_of(who) for t in (self.coin, self.other) for who in nobody}
        return gains | {(NATIVE, who): self.ledger.node.balance(who) for who in nobody}  # who pay gas

    def act(self, call, who, note=""):
        """Let somebody try, at the time of the newest block, and let the judge see what came of it."""
        self.ledger.time = self.wallet.now()
        try:
            mined = self.ledger.send(call, who)
        except Rejected as error:
            self.seen[f"refused: {error.code}"] += 1
            return None
        used = [AuthorizationUsed.decode(log) for log in mined.logs if log.topics[0] == AuthorizationUsed.topic]
        moved = [
            Transfer.decode(log)
            for log in mined.logs
            if log.topics[0] == Transfer.topic and log.address == self.coin.address
        ]
        payments = [(event.nonce, _moved_after(moved, self.wallet.address)) for event in used]
        before = dict(self.judge.left)
        self.judge.see(self.wallet.now(), self.balances(), self.gains(), payments)
        if before != self.judge.left:
            self.seen[f"paid: {note}"] += 1
        for event in self.wallet.events(mined):
            if type(event).__name__ == "Denied":
                self.seen[f"denied: {event.reason}"] += 1
        return mined

    # --- the attacker

    def payee(self, index):
        w = self.wallet
        return (w.payee, self.shop, w.session, self.second, w.guardian)[index % 5]

    def session(self, index):
        return (self.wallet.session, self.second)[index % 2]

    def trick(self, index, payee, amount):
        """Return (target, calldata) of something an attacker would try."""
        w, pay = self.wallet, transfer_data(payee, amount)
        word = encode(["uint256"], [amount])
        tricks = [
            (self.coin.address, pay), (self.other.address, pay), (self.shop, BUY + word), (self.shop, b""),
            (self.coin.address, APPROVE + pay[4:]),
            (self.coin.address, self.coin.transfer_from(w.address, payee, 9).data),
            (self.coin.address, pay + b"\0"), (payee, b""), (w.address, w.account.sweep(self.coin.address, payee).data),
            (w.address, w.account.set_level(w.session, 4).data), (w.address, w.paying(amount, payee).data),
            (self.world.rules.address, self.world.rules.set_payee(w.address, payee, 1, 2**48 - 1).data),
            (self.world.changes.address, self.world.changes.schedule(w.address, w.address, pay).data),
            (self.world.relay.address, pay), (self.world.entry_point, b""), (self.shop, b"\0\0\0\0"),
            (w.address, w.account.perform(w.session, 4, self.coin.address, 0, pay, 2, NOBODY, 0).data),
            (w.address, w.account.owner_execute(self.coin.address, 0, pay, INTENT, value=0).data),
        ]  # fmt: skip
        return tricks[index % len(tricks)]

    @rule(which=few, trick=few, payee=few, amount=amounts, value=st.sampled_from([0, 0, 1, 10**7, 10**8]))
    def execute(self, which, trick, payee, amount, value):
        target, data = self.trick(trick, self.payee(payee), amount)
        self.act(self.wallet.account.execute(target, value, data, INTENT), self.session(which), "execute")

    @rule(
        token=st.integers(0, 1), payee=st.integers(0, 1), shares=st.sampled_from([(400, 150, 50, 7, 1), (600, 30, 3)])
    )
    def drain(self, token, payee, shares):
        """Take all that is to be had, by both sessions, in shares that become smaller."""
        target = (self.coin, self.other)[token].address
        for share in shares:
            for which in (0, 1):
                data = transfer_data(self.payee(payee), share)
                self.act(self.wallet.account.execute(target, 0, data, INTENT), self.session(which), "execute")

    @rule(
        which=few, place=few, function=few, words=st.lists(few, max_size=4), cut=st.sampled_from([0, 0, 0, 1, 31]),
        value=st.sampled_from([0, 0, 0, 1, 10**7]), directly=st.booleans(),
    )  # fmt: skip
    def call_anything(self, which, place, function, words, cut, value, directly):
        """Calldata of any known function with any words, whole or cut off, through the account or by the attacker."""
        w, world = self.wallet, self.world
        around = (world.rules, world.queue, world.changes, world.relay)
        places = [
            self.coin.address, self.other.address, self.shop, self.channels.address, w.address, w.payee, w.session,
            self.second, w.guardian, w.owner, world.entry_point, *(one.address for one in around),
        ]  # fmt: skip
        known = [*(int(one, 16) for one in places), 0, 1, 9, 50, 600, 10**6, 2**160, 2**256 - 1]
        data = keccak(FUNCTIONS[function % len(FUNCTIONS)].encode())[:4]
        data += b"".join(known[word % len(known)].to_bytes(32, "big") for word in words)
        data, target = data[: len(data) - cut], places[place % len(places)]
        call = Call(target, data) if directly else w.account.execute(target, value, data, INTENT)
        self.act(call, self.second if directly else self.session(which), "anything")

    @rule(which=few, amount=amounts, receiver=few)
    def open_a_channel(self, which, amount, receiver):
        data = self.channels.opening(amount, self.payee(receiver))
        self.act(self.wallet.account.execute(self.channels.address, 0, data, INTENT), self.session(which), "channel")

    @rule(number=st.integers(1, 3), amount=amounts, which=few)
    def claim(self, number, amount, which):
        call = self.channels.claim(self.wallet, number, amount, self.session(which))
        self.old.append(call)
        if self.act(call, self.second):
            self.seen["claimed"] += 1

    @rule(slot=st.integers(0, SLOTS - 1), amount=st.sampled_from([40, 50]))
    def use_a_slot(self, slot, amount):
        self.act(authorization(self.wallet, amount, slot=slot)[0], self.second, "slot")

    @rule(trick=few, payee=few, amount=amounts, who=st.sampled_from([4, 6, 7]))
    def call_directly(self, trick, payee, amount, who):
        target, data = self.trick(trick, self.payee(payee), amount)
        self.act(Call(target, data), self.ledger.accounts[who], "direct")

    @rule(trick=few, payee=few, amount=amounts, bring=st.booleans())
    def sign_and_relay(self, trick, payee, amount, bring):
        target, data = self.trick(trick, self.payee(payee), amount)
        call = self.wallet.signed(self.wallet.action(target, data, gas_limit=700_000))
        self.old.append(call)
        if bring:
            self.act(call, self.second, "relay")

    @rule(payee=few, amount=amounts, nonce=st.integers(0, 3))
    def delegate(self, payee, amount, nonce):
        call, _ = delegation(self.wallet, amount, amount, self.payee(payee), nonce=nonce)
        self.old.append(call)
        self.act(call, self.second, "delegation")

    @rule(
        payee=few, amount=st.sampled_from([40, 50, 51, 2**64]), slot=st.integers(0, 3),
        ahead=st.sampled_from([0, 0, 0, -1, 1]),
        kind=st.sampled_from([TRANSFER_TYPE, TRANSFER_TYPE, RECEIVE_TYPE]), bring=st.booleans(),
    )  # fmt: skip
    def authorize(self, payee, amount, slot, ahead, kind, bring):
        period = slot_period(slot, HOUR, self.wallet.now()) + ahead
        call, _, _ = authorization(self.wallet, amount, self.payee(payee), slot, period=period, kind=kind)
        self.old.append(call)
        if bring:
            self.act(call, self.second, "slot")

    @rule(index=few)
    def replay(self, index):
        if self.old:
            self.act(self.old[index % len(self.old)], self.second, "replay")

    @rule(
        which=few, gas=st.sampled_from([1, 10**5, 10**6, 10**9]), share=st.integers(0, 2), trick=few, payee=few,
        amount=amounts,
    )  # fmt: skip
    def bundle(self, which, gas, share, trick, payee, amount):
        """The EntryPoint is the attacker's here: it validates, asks for gas, and runs what nobody validated too."""
        w, session = self.wallet, self.session(which)
        target, data = self.trick(trick, self.payee(payee), amount)
        told = bytes.fromhex("8dd7712f") + encode(["address", "uint256", "bytes", "bytes32"], [target, 0, data, INTENT])
        cost = 3 * gas * 10
        limits = gas.to_bytes(16, "big") * 2
        operation = PackedUserOperation(
            w.address, int(session, 16) << 96, b"", told, limits, gas, bytes(15) + b"\x01" + (10).to_bytes(16, "big"),
            b"", w.sign(INTENT, session),
        )  # fmt: skip
        entry = self.world.entry_point
        self.act(w.account.validate_user_op(operation, INTENT, cost * share // 2), entry, "gas")
        self.act(w.account.execute_user_op(operation, INTENT), entry, "operation")

    @rule(payee=few, amount=amounts)
    def propose(self, payee, amount):
        w = self.wallet
        data = transfer_data(self.payee(payee), amount)
        call = self.world.queue.propose(
            w.address, self.coin.address, 0, data, self.coin.address, amount, INTENT, 2 * DAY
        )
        if mined := self.act(call, self.second):
            (event,) = w.events(mined)
            self.old.append(self.world.queue.run(w.address, event.item))

    @rule(trick=few, payee=few, amount=amounts, before=st.booleans(), takes=st.sampled_from([0, 40, 600]))
    def lay_a_trap(self, trick, payee, amount, before, takes):
        """Token and shop call back in the middle: as a session, as a thief of allowances, with what was signed."""
        target, data = self.trick(trick, self.payee(payee), amount)
        inner = self.wallet.account.execute(target, 0, data, INTENT)
        if self.old and trick % 2:
            inner = self.old[amount % len(self.old)]
        self.act(self.other.arm(inner, before=before), self.second)
        given = encode(["address", "uint256", "address", "bytes"], [self.coin.address, takes, inner.to, inner.data])
        self.act(Call(self.shop, keccak(b"set(address,uint256,address,bytes)")[:4] + given), self.second)

    @rule(seconds=st.sampled_from([5 * HOUR, 60, HOUR, DAY, 3 * DAY]))
    def wait(self, seconds):
        self.wallet.wait(seconds)

    @rule(which=few)
    def count(self, which):
        scope, holder = ((ACCOUNT, NOBODY), (SESSION, self.wallet.session))[which % 2]
        self.act(self.wallet.account.accrue(scope, holder, NATIVE), self.second)

    # --- the owner and the guardian

    @rule(cap=st.sampled_from([300, 100]))
    def the_owner_lowers(self, cap):
        w = self.wallet
        if cap < self.judge.budgets["coin"].cap:
            call = w.account.set_bucket(ACCOUNT, NOBODY, self.coin.address, cap, cap, DAY, 2**128 - 1)
            if self.act(call, w.owner):
                budget = self.judge.budgets["coin"]
                budget.lower(w.now(), cap)

    def teardown(self):
        """In the end all is drained, and again what has come in; then a guardian freezes, and nothing more leaves."""
        if not hasattr(self, "judge"):
            return
        for number, seconds in enumerate((60, 5 * HOUR, 9 * HOUR + 7), 1):
            self.wallet.wait(seconds)
            self.open_a_channel(0, 40, 0)
            self.claim(number, 1, 1)
            for slot in range(SLOTS + 1):
                self.use_a_slot(slot, SLOT_CAP)
            for token in (0, 1):
                self.drain(token, 0, (400, 150, 50, 7, 1))
                self.drain(token, 2, (1,))
            for which in (0, 1, 0, 1):
                self.bundle(which, 10**6, 2, 0, 0, 1)
        self.act(self.wallet.account.freeze(HOUR), self.wallet.guardian)
        self.judge.frozen = True
        deposits = self.coin.balance_of(self.channels.address)
        for seconds in (60, 2 * HOUR):
            self.wallet.wait(seconds)
            for token in (0, 1):
                self.drain(token, 0, (1,))
            self.use_a_slot(0, 40)
            self.open_a_channel(0, 1, 0)
            for number in (1, 2, 3):
                self.claim(number, 2, 1)
            self.bundle(0, 10**5, 2, 0, 0, 1)
            for call in self.old[-6:]:
                self.act(call, self.second, "replay")
        assert self.coin.balance_of(self.channels.address) >= deposits, "a frozen account stood for a voucher"
        for name, budget in self.judge.budgets.items():
            budget.check_windows(CAPS[name])


def _moved_after(moved, account):
    """Return what an authorization moved: its token logs one transfer from the account right after."""
    return next((event.amount for event in moved if event.sender == account), 0)


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger, ledger.accounts[7])


def test_an_attacker_with_every_key_takes_no_more_than_the_bound(ledger, world, tell):
    seen = Counter()

    def machine():
        made = AttackMachine(ledger, world)
        made.seen = seen
        return made

    steps = settings(
        max_examples=16 if LONG else 3,
        stateful_step_count=40 if LONG else 30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=not LONG,
    )
    run_state_machine_as_test(machine, settings=steps)
    paid = {what: count for what, count in seen.items() if what.startswith("paid")}
    assert {"paid: execute", "paid: slot", "paid: channel"} <= set(paid), seen
    assert seen["claimed"] > 0
    refused = sum(seen.values()) - sum(paid.values())
    tell(f"policy account under attack: {sum(paid.values())} payments, {refused} refusals")
