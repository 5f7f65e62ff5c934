"""What tests of policy accounts share: the contracts around them, an account with an owner and a session, and its acts.

Accounts of the ledger: 0 owner, 1 guardian, 2 and 3 approvers, 4 session, 5 payee, 6 stranger, 7 whoever waits.
"""

from __future__ import annotations

from dataclasses import replace

from eth_abi.abi import encode

from tallystick.chain.bindings import (
    policy_account,
    policy_account_factory,
    policy_changes,
    policy_queue,
    policy_relay,
    policy_rules,
)
from tallystick.chain.bindings.policy_account import PolicyAccount, Session
from tallystick.chain.bindings.policy_account_factory import PolicyAccountFactory
from tallystick.chain.bindings.policy_changes import PolicyChanges
from tallystick.chain.bindings.policy_queue import Item, PolicyQueue, QueueTerms
from tallystick.chain.bindings.policy_relay import Action, PolicyRelay
from tallystick.chain.bindings.policy_rules import PolicyRules, Rule
from tallystick.chain.calls import Call
from tallystick.contracts import artifact
from tallystick.core.digest import keccak, sha256
from tallystick.core.eip712 import sign_digest
from tallystick.core.ids import checksum_address
from tests.contracts.token_kit import make_token

NOBODY = "0x" + "00" * 20
NATIVE = NOBODY
NO_HASH = bytes(32)
GUARDIAN, APPROVER = 1, 2
ACCOUNT, SESSION, COUNTERPARTY, NEWCOMERS = 1, 2, 3, 4
ALLOWED, DENIED = 1, 2
FOREVER = 2**48 - 1
UNBOUNDED = 2**128 - 1
HOUR, DAY = 3_600, 86_400
TRANSFER = keccak(b"transfer(address,uint256)")[:4]
INTENT = sha256(b"an intent")
ENTRY = checksum_address(b"\xe7" * 20)
EVENTS = {
    **policy_account.EVENTS,
    **policy_account_factory.EVENTS,
    **policy_changes.EVENTS,
    **policy_queue.EVENTS,
    **policy_relay.EVENTS,
    **policy_rules.EVENTS,
}

PLAIN_RULE = Rule(True, False, 2, -1, -1, NATIVE, 0, 0, ())


def pay_rule(address, call_cap=500, **changes):
    """Return the rule that lets `transfer(payee, amount)` of a token through."""
    rule = Rule(True, False, 2, 0, 1, address, call_cap, 0, ())
    return replace(rule, **changes)


def transfer_data(payee, amount):
    return TRANSFER + encode(["address", "uint256"], [payee, amount])


class World:
    """Everything that serves all accounts, once on a ledger."""

    def __init__(self, ledger, entry_point=ENTRY):
        self.ledger = ledger
        self.entry_point = entry_point
        self.rules = PolicyRules(ledger, ledger.deploy(artifact("PolicyRules").bytecode))
        self.queue = PolicyQueue(ledger, ledger.deploy(artifact("PolicyQueue").bytecode))
        self.relay = PolicyRelay(ledger, ledger.deploy(artifact("PolicyRelay").bytecode))
        kept = encode(["address"] * 2, [self.rules.address, self.queue.address])
        self.changes = PolicyChanges(ledger, ledger.deploy(artifact("PolicyChanges").bytecode + kept))
        around = [entry_point, self.rules.address, self.queue.address, self.changes.address, self.relay.address]
        code = artifact("PolicyAccount").bytecode + encode(["address"] * 5, around)
        self.implementation = ledger.deploy(code)
        made = artifact("PolicyAccountFactory").bytecode + encode(["address"], [self.implementation])
        self.factory = PolicyAccountFactory(ledger, ledger.deploy(made))
        self.salts = 0


class Wallet:
    """One account: who is who, what it may, calls to it as values. Sealed, with a session at level 2, unless told."""

    def __init__(self, world, *, is_sealed=True, token=None, kind="ordinary", **terms):
        self.world, self.ledger = world, world.ledger
        who = self.ledger.accounts
        self.owner, self.guardian, self.session, self.payee, self.stranger = who[0], who[1], who[4], who[5], who[6]
        self.approvers = who[2:4]
        world.salts += 1
        salt = world.salts.to_bytes(32, "big")
        self.send(world.factory.create(self.owner, salt, [self.guardian], HOUR), self.owner)
        self.address = world.factory.address_of(self.owner, salt)
        self.account = PolicyAccount(self.ledger, self.address)
        self.token = token or make_token(self.ledger, kind)
        self.token.give(self.address, 1_000_000)
        self.set_up(terms)
        if is_sealed:
            self.send(self.account.seal(), self.owner)

    def set_up(self, terms):
        for approver in self.approvers:
            self.send(self.account.set_role(approver, APPROVER, True), self.owner)
        self.bucket(ACCOUNT, NOBODY, cap=1_000, refill=1_000, period_s=DAY)
        self.bucket(SESSION, self.session, cap=600, refill=600, period_s=DAY)
        self.rule(self.token.address, TRANSFER, pay_rule(self.token.address))
        self.allow(self.payee)
        self.send(self.world.queue.set_queue(self.address, QueueTerms(2, 3, 2 * HOUR, 4 * HOUR)), self.owner)
        self.send(self.account.grant_session(self.session, self.terms(**terms)), self.owner)

    def terms(self, **changes):
        plain = Session(
            level=2, valid_after=1, valid_until=FOREVER, ops_max=1_000, ops_period_s=HOUR, denials_max=3,
            denials_window_s=HOUR, heartbeat_s=0, slots=0, slot_period_s=0, slot_cap=0, slot_token=NOBODY,
            mandate_hash=NO_HASH,
        )  # fmt: skip
        return replace(plain, **changes)

    # --- sending

    def send(self, call, who):
        return self.ledger.send(call, who)

    def events(self, mined):
        return [EVENTS[log.topics[0]].decode(log) for log in mined.logs if log.topics[0] in EVENTS]

    def now(self):
        return self.ledger.node.block().timestamp

    def wait(self, seconds):
        """Let the chain's own time be `seconds` later: a view is asked at the time of the newest block."""
        self.ledger.time = max(self.ledger.time, self.now() + seconds)
        self.send(Call(self.ledger.accounts[7], b""), self.ledger.accounts[7])

    def fund(self, amount):
        self.send(Call(self.address, b"", amount), self.stranger)

    # --- the owner's setters

    def bucket(self, scope, holder, token=None, cap=0, refill=0, period_s=DAY, lifetime_cap=UNBOUNDED, who=None):
        token = self.token.address if token is None else token
        call = self.account.set_bucket(scope, holder, token, cap, refill, period_s, lifetime_cap)
        return self.send(call, who or self.owner)

    def native_buckets(self, cap):
        for scope, holder in ((ACCOUNT, NOBODY), (SESSION, self.session)):
            self.bucket(scope, holder, NATIVE, cap=cap)

    def rule(self, target, selector, rule):
        return self.send(self.world.rules.set_rule(self.address, target, selector, rule), self.owner)

    def allow(self, payee, standing=ALLOWED, expires=FOREVER):
        return self.send(self.world.rules.set_payee(self.address, payee, standing, expires), self.owner)

    def change(self, call, wait_s=HOUR):
        """Schedule a setter's call, wait, and have it made."""
        self.send(self.world.changes.schedule(self.address, call.to, call.data), self.owner)
        self.wait(wait_s)
        return self.send(self.world.changes.apply(self.address, call.to, call.data), self.stranger)

    # --- the session's acts

    def paying(self, amount, payee=None, token=None):
        to = token.address if token else self.token.address
        return self.account.execute(to, 0, transfer_data(payee or self.payee, amount), INTENT)

    def pay(self, amount, payee=None, who=None):
        return self.send(self.paying(amount, payee), who or self.session)

    def reason(self, mined):
        """Return why a session was denied in this transaction; empty: it was not."""
        found = [event for event in self.events(mined) if isinstance(event, policy_account.Denied)]
        return found[0].reason if found else ""

    def held(self, token=None):
        return (token or self.token).balance_of(self.address)

    def available(self, scope=ACCOUNT, holder=NOBODY, token=None):
        return self.account.bucket_of(scope, holder, self.token.address if token is None else token).balance

    def level(self):
        return self.account.session_of(self.session).level

    # --- what a session signs

    def action(self, target, data, amount=0, **changes):
        plain = Action(
            session=self.session, seq=self.world.relay.seq_of(self.address, self.session), target=target,
            amount=amount, data=data, gas_limit=400_000, deadline=FOREVER, intent_hash=INTENT,
            epoch=self.account.epoch(),
        )  # fmt: skip
        return replace(plain, **changes)

    def sign(self, digest, who=None):
        return sign_digest(self.ledger.secrets[who or self.session], digest)

    def signed(self, action, who=None):
        signature = self.sign(self.world.relay.action_digest(self.address, action), who)
        return self.world.relay.execute_signed(self.address, action, signature)

    # --- the queue

    def proposing(self, amount, payee=None, valid_s=DAY, data=None):
        data = transfer_data(payee or self.payee, amount) if data is None else data
        return self.world.queue.propose(
            self.address, self.token.address, 0, data, self.token.address, amount, INTENT, valid_s
        )

    def propose(self, amount, *given, who=None, **more):
        """Propose a payment and return the item with its id."""
        return self.proposed(self.send(self.proposing(amount, *given, **more), who or self.session))

    def proposed(self, mined):
        (event,) = self.events(mined)
        assert isinstance(event.item, Item)
        return event.item, event.id

    def approve(self, item_id, count=2):
        for approver in self.approvers[:count]:
            self.send(self.world.queue.approve(item_id), approver)

    def run(self, item):
        return self.send(self.world.queue.run(self.address, item), self.stranger)
