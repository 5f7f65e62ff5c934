"""A whole life of one account, as its agent, owner, approvers and guardian live it, to be audited.

`live` does in turn: coin in, a payment by call, one that is refused, one signed, one by an allowance for that call
alone, an item approved by two, a user operation, two EIP-3009 slots, a payment in native coin, an owner's call, a
freeze, and a sweep of both. What each session act was for is a signed record in `intents`.
"""

from __future__ import annotations

from dataclasses import replace

from eth_abi.abi import encode

from tallystick.agents.audit import audit_account
from tallystick.agents.intents import Intent, Model, Payment
from tallystick.agents.intents_signed import SignedIntent
from tallystick.agents.intents_store import IntentStore
from tallystick.agents.policy.change.live import read_account
from tallystick.chain.bindings.policy_account import PolicyAccount
from tallystick.core.digest import sha256
from tests.contracts.entry_point import EntryPoint, operation_of
from tests.contracts.policy_kit import DAY, HOUR, NATIVE, Wallet, World, pay_rule, transfer_data
from tests.contracts.policy_shop import BUY, Shop
from tests.contracts.test_policy_signed import Coin, authorization

PLAIN = bytes(4)


class Story:
    """The account, who is who, and everything that it does."""

    def __init__(self, ledger, blobs):
        self.ledger, self.node = ledger, ledger.node
        self.entry = EntryPoint(ledger)
        self.world = World(ledger, self.entry.address)
        self.coin = Coin(ledger)
        self.wallet = Wallet(
            self.world, is_sealed=False, token=self.coin, slots=3, slot_period_s=HOUR, slot_cap=100,
            slot_token=self.coin.address,
        )  # fmt: skip
        self.address = self.wallet.address
        self.shop = Shop(self.wallet)
        self._permit()
        self.blobs, self.intents = blobs, IntentStore(blobs)
        self.records = []

    def _permit(self):
        wallet = self.wallet
        wallet.native_buckets(10**15)
        wallet.rule(wallet.payee, PLAIN, replace(pay_rule(NATIVE), recipient_word=-1, amount_word=-1, call_cap=0,
                                                 value_cap=10**12))  # fmt: skip
        wallet.rule(self.shop.address, BUY, pay_rule(self.coin.address, pulls=True, recipient_word=-1, amount_word=0))
        wallet.allow(self.shop.address)
        wallet.send(PolicyAccount(self.ledger, self.address).seal(), wallet.owner)

    # --- what an act is for

    def meant(self, payee, amount, token=None, **changes):
        """Keep a signed record of a payment and return its hash."""
        wallet = self.wallet
        policy = read_account(self.node, self.address).policy.digest()
        intent = Intent(
            account=self.address, chain_id=self.ledger.chain_id, session=wallet.session,
            created_at=self.node.block().timestamp, asked_by="ada", purpose="what the story needs",
            model=Model("planner", sha256(b"weights")), prompt=sha256(b"salted prompt"), policy=policy,
            payment=Payment(payee, token or self.coin.address, amount), task=str(len(self.records)),
        )  # fmt: skip
        signed = SignedIntent.sign(replace(intent, **changes), self.ledger.secrets[wallet.session])
        self.records.append(signed)
        return self.intents.keep(signed)

    def execute(self, target, amount, data, intent, who=None):
        return self.wallet.send(self.wallet.account.execute(target, amount, data, intent), who or self.wallet.session)

    # --- the life

    def live(self):
        wallet = self.wallet
        wallet.fund(10**16)
        self.pay(120)
        self.pay(40, wallet.stranger)  # not allowed
        self.pay_signed(70)
        self.buy(50)
        self.ask_and_run(700)
        self.operate(30)
        wallet.wait(HOUR - wallet.now() % HOUR + 1)
        self.pay_slot(90, 0)
        self.pay_slot(15, 2)
        self.execute(wallet.payee, 10**9, b"", self.meant(wallet.payee, 10**9, NATIVE))
        self.owner_pays(11)
        wallet.send(wallet.account.freeze(DAY), wallet.guardian)
        for token in (self.coin.address, NATIVE):
            wallet.send(wallet.account.sweep(token, wallet.owner), wallet.owner)
        return self

    def pay(self, amount, payee=None):
        payee = payee or self.wallet.payee
        return self.execute(self.coin.address, 0, transfer_data(payee, amount), self.meant(payee, amount))

    def pay_signed(self, amount):
        wallet = self.wallet
        data, intent = transfer_data(wallet.payee, amount), self.meant(wallet.payee, amount)
        wallet.send(wallet.signed(wallet.action(self.coin.address, data, intent_hash=intent)), wallet.stranger)

    def buy(self, amount):
        self.shop.set(takes=amount)
        intent = self.meant(self.shop.address, amount)
        self.execute(self.shop.address, 0, BUY + encode(["uint256"], [amount]), intent)

    def ask_and_run(self, amount):
        wallet, queue, token = self.wallet, self.world.queue, self.coin.address
        intent = self.meant(wallet.stranger, amount)
        data = transfer_data(wallet.stranger, amount)
        mined = wallet.send(queue.propose(self.address, token, 0, data, token, amount, intent, DAY), wallet.session)
        (event,) = wallet.events(mined)
        wallet.approve(event.id)
        wallet.wait(2 * HOUR)
        wallet.run(event.item)

    def operate(self, amount):
        wallet, entry = self.wallet, self.entry
        intent = self.meant(wallet.payee, amount)
        data = transfer_data(wallet.payee, amount)
        whole = encode(["address", "uint256", "bytes", "bytes32"], [self.coin.address, 0, data, intent])
        call = bytes.fromhex("8dd7712f") + whole
        operation = operation_of(wallet, entry, self.coin.address, data, call=call)
        wallet.send(entry.handle([operation], wallet.stranger), wallet.stranger)

    def pay_slot(self, amount, slot, *, is_meant=True):
        if is_meant:
            self.meant(self.wallet.payee, amount)
        call, _, _ = authorization(self.wallet, amount, slot=slot)
        return self.wallet.send(call, self.wallet.stranger)

    def owner_pays(self, amount):
        wallet = self.wallet
        data = transfer_data(wallet.stranger, amount)
        call = wallet.account.owner_execute(self.coin.address, 0, data, bytes(32), value=5)  # five wei stay
        return wallet.send(call, wallet.owner)

    def paying(self, payee, amount):
        return transfer_data(payee, amount)

    def audit(self, **given):
        return audit_account(self.node, self.address, intents=self.intents, records=self.records, **given)
