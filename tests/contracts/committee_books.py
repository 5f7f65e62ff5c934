"""Books of a committee's coin, kept by rules of their own and compared with what the contract says and holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tallystick.lithic.committee.decision import OutputKind, is_paid


@dataclass
class Books:
    """Who has how much of one coin at a committee, after every deed that went through. Accounts are numbers."""

    bonds: Counter = field(default_factory=Counter)
    leaving: Counter = field(default_factory=Counter)
    credits: Counter = field(default_factory=Counter)
    ceilings: Counter = field(default_factory=Counter)  # by request, while it is open
    came: Counter = field(default_factory=Counter)
    left: Counter = field(default_factory=Counter)
    burned: int = 0

    def bond(self, payer, provider, amount):
        self.came[payer] += amount
        self.bonds[provider] += amount

    def open(self, consumer, ghost):
        ceiling = ghost.terms.fee * len(ghost.terms.members)
        self.came[consumer] += ceiling
        self.ceilings[ghost.id] = ceiling

    def announce(self, provider, amount):
        self.leaving[provider] += amount

    def withdraw(self, provider, locked):
        amount = min(self.leaving[provider], self.bonds[provider] - min(locked, self.bonds[provider]))
        self.leaving[provider] = 0
        self.bonds[provider] -= amount
        self.left[provider] += amount

    def slash(self, provider, beneficiary, stake):
        """Return what is taken and what of it the beneficiary gets."""
        taken = min(stake, self.bonds[provider])
        self.bonds[provider] -= taken
        self.credits[beneficiary] += taken // 2
        self.burned += taken - taken // 2
        return taken, taken // 2

    def settle(self, consumer, ghost, output, answers):
        """Pay who agrees with the output, None where there is none, what its answer asks; the rest goes back."""
        rest = self.ceilings.pop(ghost.id)
        for member, answered in answers.items():
            if output is not None and is_paid(
                OutputKind(ghost.terms.kind), answered.output, output, ghost.terms.tolerance
            ):
                self.credits[member] += answered.cost
                rest -= answered.cost
        self.credits[consumer] += rest

    def collect(self, account):
        self.left[account] += self.credits.pop(account)

    def check(self, kit, start):
        """Compare with the contract's views and with the coin itself; `start` is what each had of a token."""
        accounts = kit.ledger.accounts
        for number, who in enumerate(accounts):
            assert kit.contract.provider_at(who).bond == self.bonds[number]
            assert kit.contract.credit_of(who) == self.credits[number]
            if kit.token:
                assert kit.held(who) == start - self.came[number] + self.left[number]
        assert kit.contract.burned() == self.burned
        owed = sum(self.bonds.values()) + sum(self.credits.values()) + sum(self.ceilings.values()) + self.burned
        assert kit.held() == owed == self.came.total() - self.left.total()
        if kit.token:
            assert kit.ledger.node.balance(kit.contract.address) == 0
