"""An independent count of what may leave the wallet: it sees balances and times, and knows the owner's numbers.

It shares nothing with the contract or the engine: a budget is an exact fraction of continuous time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass
class Budget:
    """What the owner meant: at most `cap` at once, and `refill` in each `period_s`, evenly."""

    cap: int
    refill: int
    period_s: int
    level: Fraction = Fraction(0)
    since: int = 0

    def start(self, now_s: int) -> None:
        """Begin, full."""
        self.level, self.since = Fraction(self.cap), now_s

    def held(self, now_s: int) -> Fraction:
        """Return what may be spent now."""
        gained = Fraction(self.refill * (now_s - self.since), self.period_s)
        self.level, self.since = min(Fraction(self.cap), self.level + gained), now_s
        return self.level

    def spend(self, now_s: int, amount: int) -> bool:
        """Take so much out; return whether it was there."""
        held = self.held(now_s)
        self.level = max(held - amount, Fraction(0))
        return amount <= held


@dataclass
class Count:
    """The count of one wallet.

    budgets   by coin: what sessions may spend
    slots     the most that signed authorizations move in one period, beside the budgets, by coin
    wallet    what the wallet held when last looked at, by coin
    thief     what the thief held of tokens
    lost      what left so far, by coin
    """

    budgets: Mapping[str, Budget]
    slots: Mapping[str, int]
    wallet: dict[str, int]
    thief: dict[str, int]
    lost: dict[str, int]

    def judge(
        self, now_s: int, wallet: Mapping[str, int], thief: Mapping[str, int], *, by_slots: bool
    ) -> tuple[dict[str, int], bool]:
        """Return what left the wallet since the last look, and whether all of it was the owner's to lose."""
        gone = {coin: self.wallet[coin] - wallet[coin] for coin in wallet}
        is_meant = all(thief[coin] <= self.thief[coin] for coin in thief)
        for coin, amount in gone.items():
            self.lost[coin] += amount
            beside = self.slots.get(coin, 0) if by_slots else 0
            is_meant &= self.budgets[coin].spend(now_s, max(amount - beside, 0))
        self.wallet, self.thief = dict(wallet), dict(thief)
        return {coin: amount for coin, amount in gone.items() if amount}, is_meant
