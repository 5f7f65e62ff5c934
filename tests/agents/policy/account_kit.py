"""Real accounts for policies: the contracts around them, an account per test, and its owner who sends what a plan says.

Accounts of the ledger: 0 owner, 1 guardian, 2 approver, 3 agent, 4 helper, 5 shop, 6 stranger, 7 stands for the
EntryPoint.
"""

from __future__ import annotations

from eth_abi.abi import encode

from tallystick.agents.policy import Policy, read_policy
from tallystick.agents.policy.change.live import LiveAccount, read_account
from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.bindings.policy_account import PolicyAccount
from tallystick.chain.bindings.policy_account_factory import PolicyAccountFactory
from tallystick.chain.calls import Call
from tallystick.chain.facts import TxReceipt
from tallystick.chain.fees import Fees
from tallystick.contracts import artifact
from tests.agents.policy import policies
from tests.contracts.conftest import Ledger
from tests.contracts.token_kit import make_token

HOUR_S, DAY_S = 3_600, 86_400


class PatientLedger(Ledger):
    """A ledger that also mines what fails."""

    def attempt(self, call: Call, sender: str) -> tuple[TxReceipt, int]:
        """Mine a call whatever comes of it; return its receipt and its block's time."""
        fields = TransactionFields(
            chain_id=self.chain_id, nonce=self._nonces[sender], to=call.to, data=call.data, value=call.value,
            gas=4_000_000, fees=Fees(cap=10**11, tip=0),
        )  # fmt: skip
        signed = Account(self.secrets[sender]).sign_transaction(fields)
        receipt = self.node.receipt(self.node.send_raw(signed.raw))
        assert receipt is not None
        self._nonces[sender] += 1
        mined_at, self.time = self.time, self.time + 1
        return receipt, mined_at


class World:
    """Everything that serves all accounts, once on a ledger."""

    def __init__(self, ledger: PatientLedger) -> None:
        self.ledger = ledger
        self.rules, self.queue, self.relay = (
            ledger.deploy(artifact(name).bytecode) for name in ("PolicyRules", "PolicyQueue", "PolicyRelay")
        )
        self.changes = self._made("PolicyChanges", self.rules, self.queue)
        self.entry_point = ledger.accounts[7]
        around = (self.entry_point, self.rules, self.queue, self.changes, self.relay)
        self.implementation = self._made("PolicyAccount", *around)
        self.factory = PolicyAccountFactory(ledger, self._made("PolicyAccountFactory", self.implementation))
        self.token = make_token(ledger)
        self.accounts = 0

    def _made(self, name: str, *arguments: str) -> str:
        return self.ledger.deploy(artifact(name).bytecode + encode(["address"] * len(arguments), arguments))


class Owner:
    """An account and who owns it."""

    def __init__(self, world: World) -> None:
        self.world, self.ledger = world, world.ledger
        who = self.ledger.accounts
        self.owner, self.guardian, self.approver, self.agent, self.helper, self.shop, self.stranger = who[:7]
        world.accounts += 1
        salt = world.accounts.to_bytes(32, "big")
        self.first = self.ledger.node.block_number()
        self.send(world.factory.create(self.owner, salt, [self.guardian], DAY_S))
        self.address = world.factory.address_of(self.owner, salt)
        self.account = PolicyAccount(self.ledger, self.address)
        world.token.give(self.address, 10**12)

    def policy(self, *edits: tuple[str, str]) -> Policy:
        """Return the whole policy of the tests with this account's addresses, and with these edits of its text."""
        text = policies.WHOLE.decode()
        real = {
            policies.OWNER: self.owner, policies.GUARDIAN: self.guardian, policies.APPROVER: self.approver,
            policies.AGENT: self.agent, policies.HELPER: self.helper, policies.SHOP: self.shop,
            policies.USD: self.world.token.address, policies.address(99): self.address,
        }  # fmt: skip
        for old, new in (*real.items(), *edits):
            assert old in text, old
            text = text.replace(old, new)
        return read_policy(text.encode())

    def send(self, call: Call, who: str | None = None) -> None:
        """Send a call, by the owner unless told."""
        self.ledger.send(call, who or self.owner)

    def live(self, names: Policy | None = None) -> LiveAccount:
        """Return the account as it is."""
        return read_account(self.ledger.node, self.address, names=names, first=self.first)

    def wait(self, seconds: int) -> None:
        """Let the newest block be so much later."""
        self.ledger.time = max(self.ledger.time, self.ledger.node.block().timestamp + seconds)
        self.send(Call(self.stranger, b""))

    def apply(self, wanted: Policy, *, is_strict: bool = False) -> int:
        """Send all that can be sent now; return how many calls that was."""
        calls = self.live(wanted).calls_to(wanted, is_strict=is_strict)
        for call in calls:
            self.send(call)
        return len(calls)

    def begin(self, wanted: Policy) -> None:
        """Give a new account its policy and seal it."""
        self.apply(wanted)
        self.send(self.account.seal())
