"""What tests of payment channels share: a contract, who pays whom, and calls as values.

Accounts of the ledger: 1 payer, 2 payee, 3 authorizer, 4 stranger, 7 whoever waits.
"""

from __future__ import annotations

from dataclasses import replace

from eth_abi.abi import encode

from tallystick.agents.channels.signing import NOBODY, channel_id, domain_of, voucher_digest
from tallystick.chain.bindings.payment_channels import EVENTS, PaymentChannels, Terms
from tallystick.chain.calls import Call
from tallystick.chain.coin import NATIVE
from tallystick.contracts import artifact
from tallystick.core.eip712 import sign_digest
from tests.contracts.token_kit import make_token

DELAY, LIFE = 3_600, 30 * 86_400


class Channels:
    """A contract of channels on a ledger, in a test token, or in the native coin."""

    def __init__(self, ledger, coin=None):
        self.ledger = ledger
        self.coin = coin
        self.payer, self.payee, self.authorizer, self.stranger = ledger.accounts[1:5]
        address = coin.address if coin else NATIVE
        self.contract = PaymentChannels(
            ledger, ledger.deploy(artifact("PaymentChannels").bytecode + encode(["address"], [address]))
        )
        for account in ledger.accounts if coin else ():
            coin.give(account, 10**24, self.contract.address)
        self.domain = domain_of(ledger.chain_id, self.contract.address)
        self.salts = 0

    @classmethod
    def of_kind(cls, ledger, kind):
        """Return a contract in a token of this kind, or `native`."""
        return cls(ledger, None if kind == "native" else make_token(ledger, kind))

    @property
    def address(self):
        return self.contract.address

    def now(self):
        return self.ledger.node.block().timestamp

    def wait(self, seconds):
        """Let the newest block be `seconds` later, and the next one as late."""
        self.ledger.time = self.now() + seconds
        self.ledger.send(Call(self.ledger.accounts[7], b""), self.ledger.accounts[7])

    def terms(self, **changes):
        self.salts += 1
        salt = self.salts.to_bytes(32, "big")
        plain = Terms(self.payer, self.payee, self.authorizer, DELAY, self.now() + LIFE, salt)
        return replace(plain, **changes)

    def value(self, amount):
        """What a call that pays so much sends along."""
        return 0 if self.coin else amount

    def send(self, call, who):
        self.ledger.time = max(self.ledger.time, self.now())
        return self.ledger.send(call, who)

    def opening(self, terms, amount):
        return self.contract.open(terms, amount, value=self.value(amount))

    def opened(self, amount=1_000, **changes):
        """Return the terms of a channel of so much, made now."""
        terms = self.terms(**changes)
        self.send(self.opening(terms, amount), terms.payer)
        return terms

    def signed(self, terms, max_amount, who=None, domain=None):
        """Return the signature of a voucher by whoever should sign it, or by somebody else."""
        who = who or (terms.payer if terms.authorizer == NOBODY else terms.authorizer)
        digest = voucher_digest(domain or self.domain, channel_id(terms), max_amount)
        return sign_digest(self.ledger.secrets[who], digest)

    def claiming(self, terms, max_amount, total=None, signature=None):
        total = max_amount if total is None else total
        return self.contract.claim(terms, max_amount, total, signature or self.signed(terms, max_amount))

    def closing(self, terms, max_amount, total=None):
        total = max_amount if total is None else total
        return self.contract.close(terms, max_amount, total, self.signed(terms, max_amount))

    def balance(self, account):
        return self.coin.balance_of(account) if self.coin else self.ledger.node.balance(account)

    def held(self):
        return self.balance(self.contract.address)

    def state(self, terms):
        return self.contract.channel_of(channel_id(terms))

    def events(self, mined):
        return [EVENTS[log.topics[0]].decode(log) for log in mined.logs if log.topics[0] in EVENTS]
