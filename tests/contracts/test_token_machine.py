"""The token among people who sign, spend, take back and replay as they like, beside a ledger kept in Python.

The ledger knows nothing of the contract but the words of the standards: from each attempt it foretells either the very
reason of the refusal or what moved. Signatures are of right and wrong makers, right and wrong domains, in both forms.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tallystick.core import eip712
from tallystick.core.authorization import Authorization, Bringer, Permit, cancel_digest
from tallystick.core.errors import Rejected
from tests.contracts.coin_kit import Coin, high_s

LONG = bool(os.environ.get("TALLYSTICK_LONG"))
PEOPLE, NOBODY, TOKEN = (0, 1, 2, 3), 4, 5  # whom an argument may name: people, the zero address, the token itself
WITHOUT_END = 2**256 - 1
SUPPLY = 1_000
people = st.sampled_from(PEOPLE)
anybody = st.sampled_from([*PEOPLE * 6, NOBODY, TOKEN])
amounts = st.sampled_from([0, 1, 7, 30, 50, 250, SUPPLY, SUPPLY + 1, WITHOUT_END])
allowances = st.one_of(amounts, st.sampled_from([WITHOUT_END, WITHOUT_END - 1]))
NONCES = tuple(bytes([n]) * 32 for n in range(8))
nonces = st.sampled_from(NONCES)
widths = st.sampled_from([1, 30])  # seconds on either side of now: at 1, both ends are as near as they may be
RIGHT, FLAWS = "right", ("high s", "another maker", "another chain", "another token", "another version")
EARLY, LATE, OTHER_KIND, OTHER_BRINGER = "early", "late", "another kind", "another bringer"
faults = st.sampled_from([*[RIGHT] * 27, *FLAWS, EARLY, LATE, OTHER_KIND, OTHER_BRINGER])
PAYMENT = {
    "payer": anybody, "payee": anybody, "amount": amounts, "nonce": nonces, "width": widths, "fault": faults,
    "split": st.booleans(),
}  # fmt: skip


@dataclass
class Refused(Exception):
    """The ledger refuses, for this reason."""

    reason: str


class Books:
    """Who has how much, and what is spent, by the words of ERC-20, EIP-2612 and EIP-3009."""

    def __init__(self):
        self.held = dict.fromkeys(PEOPLE, 0) | {0: SUPPLY}
        self.allowed = {}
        self.permits = dict.fromkeys(PEOPLE, 0)
        self.spent = set()
        self.burnt = 0

    def move(self, sender, receiver, amount):
        require(receiver != NOBODY, "erc20: zero address")
        require(receiver != TOKEN, "erc20: not to the token itself")
        require(self.held.get(sender, 0) >= amount, "erc20: balance too low")
        self.held[sender] = self.held.get(sender, 0) - amount
        self.held[receiver] += amount

    def allow(self, owner, spender, amount):
        require(spender != NOBODY, "erc20: zero address")
        self.allowed[owner, spender] = amount

    def move_for(self, spender, owner, receiver, amount):
        allowed = self.allowed.get((owner, spender), 0)
        require(allowed >= amount, "erc20: allowance too low")
        self.move(owner, receiver, amount)
        if allowed != WITHOUT_END:
            self.allowed[owner, spender] = allowed - amount

    def burn(self, holder, amount):
        require(self.held[holder] >= amount, "erc20: balance too low")
        self.held[holder] -= amount
        self.burnt += amount

    def permit(self, owner, spender, amount, nonce, is_late, is_signed):
        require(not is_late, "eip2612: expired")
        require(is_signed and nonce == self.permits.get(owner), "eip2612: not signed by the owner")
        self.allow(owner, spender, amount)
        self.permits[owner] += 1

    def pay(self, payer, payee, amount, nonce, times, is_signed):
        after, now, before = times
        require(after < now, "eip3009: not yet valid")
        require(now < before, "eip3009: expired")
        self.spend(payer, nonce, is_signed, lambda: self.move(payer, payee, amount))

    def spend(self, payer, nonce, is_signed, effect=lambda: None):
        require((payer, nonce) not in self.spent, "eip3009: nonce is spent")
        require(is_signed, "eip3009: not signed by the payer")
        effect()
        self.spent.add((payer, nonce))


def require(holds, reason):
    if not holds:
        raise Refused(reason)


class TokenMachine(RuleBasedStateMachine):
    def __init__(self, ledger):
        super().__init__()
        self.coin = Coin(ledger, SUPPLY)
        self.token = self.coin.contract
        self.books = Books()
        self.names = [*ledger.accounts[:4], "0x" + "00" * 20, self.token.address]
        self.brought = []
        for who in PEOPLE[1:]:
            self.transfer(0, who, SUPPLY // 4)

    def attempt(self, call, who, foretold):
        """Do the same in the books and on the ledger; both refuse for the same reason, or neither does."""
        reason = told = None
        try:
            foretold()
        except Refused as refusal:
            reason = refusal.reason
        try:
            self.coin.send(call, self.names[who])
        except Rejected as error:
            told = error.code
        assert told == reason

    def signed(self, maker, fault, digest_in):
        """Return a signature by somebody with a key, and whether it is the one that counts."""
        domain = {
            "another chain": replace(self.coin.domain, chain_id=1),
            "another token": replace(self.coin.domain, verifying_contract=self.names[0]),
            "another version": replace(self.coin.domain, version="2"),
        }.get(fault, self.coin.domain)
        if maker == NOBODY:  # what no key made recovers to the zero address
            return bytes(64) + b"\x1b", False
        is_person = maker in PEOPLE
        maker = ((maker if is_person else 0) + (fault == "another maker")) % len(PEOPLE)
        signature = eip712.sign_digest(self.coin.ledger.secrets[self.names[maker]], digest_in(domain))
        return high_s(signature) if fault == "high s" else signature, is_person and fault not in FLAWS

    @rule(who=people, to=anybody, amount=amounts)
    def transfer(self, who, to, amount):
        call = self.token.transfer(self.names[to], amount)
        self.attempt(call, who, lambda: self.books.move(who, to, amount))

    @rule(who=people, spender=anybody, amount=allowances)
    def approve(self, who, spender, amount):
        call = self.token.approve(self.names[spender], amount)
        self.attempt(call, who, lambda: self.books.allow(who, spender, amount))

    @rule(who=people, owner=anybody, to=anybody, amount=amounts, allowed=st.booleans())
    def transfer_from(self, who, owner, to, amount, allowed):
        if allowed and self.books.allowed:  # else most would fail for want of an allowance
            owner, who = list(self.books.allowed)[amount % len(self.books.allowed)]
        if who in PEOPLE:
            call = self.token.transfer_from(self.names[owner], self.names[to], amount)
            self.attempt(call, who, lambda: self.books.move_for(who, owner, to, amount))

    @rule(who=people, amount=st.sampled_from([0, 1, 50, SUPPLY]))
    def burn(self, who, amount):
        self.attempt(self.token.burn(amount), who, lambda: self.books.burn(who, amount))

    @rule(
        who=people, owner=people, spender=anybody, amount=allowances, ahead=st.sampled_from([0, 0, 0, 1, -1]),
        width=widths, fault=faults, split=st.booleans(),
    )  # fmt: skip
    def permit(self, who, owner, spender, amount, ahead, width, fault, split):
        nonce = max(0, self.books.permits[owner] + ahead)
        deadline = self.coin.now + (-width if fault == LATE else width - 1)
        made = Permit(self.names[owner], self.names[spender], amount, nonce, deadline)
        signature, is_right = self.signed(owner, fault, made.digest)
        call = self.coin.permitting(made, signature, split=split)
        self.attempt(
            call, who, lambda: self.books.permit(owner, spender, amount, nonce, deadline < self.coin.now, is_right)
        )

    @rule(who=people, **PAYMENT)
    def pay_through_anybody(self, who, **payment):
        self.pay(who, Bringer.ANYBODY, **payment)

    @rule(who=people, **PAYMENT)
    def pay_through_the_payee(self, who, payee, fault, **payment):
        is_payee = payee in PEOPLE and fault != OTHER_BRINGER
        self.pay(payee if is_payee else who, Bringer.PAYEE, payee=payee, fault=fault, **payment)

    def pay(self, who, brought_as, payer, payee, amount, nonce, width, fault, split):
        now = self.coin.now
        after = now + width - 1 if fault == EARLY else now - width
        before = now - width + 1 if fault == LATE else now + width
        made = Authorization(self.names[payer], self.names[payee], amount, after, before, nonce)
        signed_for = brought_as
        if fault == OTHER_KIND:
            signed_for = Bringer.PAYEE if brought_as is Bringer.ANYBODY else Bringer.ANYBODY
        signature, is_right = self.signed(payer, fault, lambda domain: made.digest(domain, signed_for))
        is_right = is_right and signed_for is brought_as
        self.bring(who, payer, payee, made, signature, brought_as, split, is_right)
        self.brought.append((who, payer, payee, made, signature, brought_as, is_right))

    @rule(which=st.integers(0, 5), split=st.booleans())
    def bring_again(self, which, split):
        if self.brought:
            who, payer, payee, made, signature, brought_as, is_right = self.brought[-1 - which % len(self.brought)]
            self.bring(who, payer, payee, made, signature, brought_as, split, is_right)

    def bring(self, who, payer, payee, made, signature, brought_as, split, is_right):
        def foretold():
            require(brought_as is Bringer.ANYBODY or who == payee, "eip3009: caller is not the payee")
            times = made.valid_after, self.coin.now, made.valid_before
            self.books.pay(payer, payee, made.amount, made.nonce, times, is_right)

        self.attempt(self.coin.bringing(made, signature, brought_as, split=split), who, foretold)

    @rule(who=people, payer=anybody, nonce=nonces, fault=faults, split=st.booleans())
    def cancel(self, who, payer, nonce, fault, split):
        name = self.names[payer]
        signature, is_right = self.signed(payer, fault, lambda domain: cancel_digest(name, nonce, domain))
        call = self.coin.cancelling(name, nonce, signature, split=split)
        self.attempt(call, who, lambda: self.books.spend(payer, nonce, is_right))

    @rule(seconds=st.sampled_from([1, 15, 40]))
    def wait(self, seconds):
        self.coin.wait(seconds)

    @invariant()
    def the_books_and_the_ledger_agree(self):
        token, books = self.token, self.books
        assert [token.balance_of(name) for name in self.names] == [books.held.get(who, 0) for who in range(6)]
        assert token.total_supply() == sum(books.held.values()) == SUPPLY - books.burnt
        assert [token.nonces(self.names[who]) for who in PEOPLE] == list(books.permits.values())

    def teardown(self):
        for (owner, spender), amount in self.books.allowed.items():
            assert self.token.allowance(self.names[owner], self.names[spender]) == amount
        for payer in range(6):
            for nonce in NONCES:
                is_spent = (payer, nonce) in self.books.spent
                assert self.token.authorization_state(self.names[payer], nonce) == is_spent


def test_the_token_does_what_an_independent_ledger_foretells(ledger):
    run_state_machine_as_test(
        lambda: TokenMachine(ledger),
        settings=settings(
            max_examples=60 if LONG else 12,
            stateful_step_count=60 if LONG else 40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
