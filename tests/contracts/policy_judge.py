"""An independent ledger of what may leave a policy account: it sees balances and times, and knows the owner's numbers.

It shares no arithmetic with the contract: buckets are exact fractions of continuous time, and every window of time is
looked at, not only the last. What slots let out is told apart by the token's own events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class Budget:
    """A bucket as the owner meant it: what leaves in any time T is at most cap + refill * T / period."""

    cap: int
    refill: int
    period_s: int
    spent: list[tuple[int, int]] = field(default_factory=list)  # instant, amount
    level: Fraction = Fraction(0)
    since: int = 0

    def start(self, now):
        self.level, self.since = Fraction(self.cap), now

    def lower(self, now, cap):
        """The owner takes some of it away."""
        self._fill(now)
        self.level = min(self.level, Fraction(cap))
        self.cap = cap

    def spend(self, now, amount):
        """Note what left; fail when it could not."""
        assert amount >= 0
        if amount == 0:
            return
        self._fill(now)
        assert amount <= self.level, f"{amount} left a bucket that held {float(self.level):.3f}"
        self.level -= amount
        self.spent.append((now, amount))

    def check_windows(self, cap_at_most):
        """Every window, from each payment to each later one, holds at most what the owner said."""
        for first in range(len(self.spent)):
            total = 0
            for instant, amount in self.spent[first:]:
                total += amount
                passed = instant - self.spent[first][0]
                assert total <= cap_at_most + Fraction(self.refill * passed, self.period_s)

    def _fill(self, now):
        gained = Fraction(self.refill * (now - self.since), self.period_s)
        self.level, self.since = min(Fraction(self.cap), self.level + gained), now


@dataclass
class Judge:
    """What left, whom it went to, and whether it may have."""

    allowed: set[str]  # payees
    budgets: dict[str, Budget]  # token to the account's bucket
    slot_cap: int
    slots_total: int  # of all sessions
    slot_period_s: int
    held: dict[str, int] = field(default_factory=dict)
    others: dict[tuple[str, str], int] = field(default_factory=dict)  # (token, whoever is not allowed) to balance
    frozen: bool = False
    used_slots: set[bytes] = field(default_factory=set)
    slot_times: list[int] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)

    def see(self, now, balances, others, slot_payments):
        """Look at the balances after a transaction.

        balances       token to what the account holds
        others         (token, account) to what those hold who must get nothing
        slot_payments  (nonce, amount) of each EIP-3009 transfer from the account in this transaction
        """
        for token, before in self.held.items():
            out = before - balances[token]
            by_slots = sum(amount for _, amount in slot_payments) if token == "coin" else 0
            assert not (self.frozen and out > 0), f"{out} of {token} left a frozen account"
            if out > 0 or by_slots:
                self.budgets[token].spend(now, out - by_slots)
                self.left[token] = self.left.get(token, 0) + out
        for nonce, amount in slot_payments:
            assert nonce not in self.used_slots, "a slot paid twice"
            assert amount <= self.slot_cap
            self.used_slots.add(nonce)
            self.slot_times.append(now)
            for number, first in enumerate(self.slot_times):
                periods = -(-(now - first + 1) // self.slot_period_s) + 1
                assert len(self.slot_times) - number <= periods * self.slots_total
        for key, before in self.others.items():
            assert others[key] <= before, f"{key} is not allowed and got {others[key] - before}"
        self.held, self.others = balances, others
