"""Token buckets in exact integers: linear accrual whose remainder stays in the instant of the last count.

Mirrors `agents/account/buckets.vy`. In any time T no more leaves a bucket than cap + refill * T / period. The instant
is in whole seconds and rounded up, so each count may cost less than one smallest unit: the safe side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tallystick.agents.policy.document import Rates
from tallystick.agents.policy.nouns import UNLIMITED


class Refused(Exception):
    """The policy refuses; the first argument is the contract's reason. Never leaves the engine."""


@dataclass(frozen=True)
class Bucket:
    """A bucket as it is.

    balance  what may be spent, but for the debt
    since    up to when refill has been counted
    spent    what its life has given, where that is bounded
    debt     what was taken without counting (gas, whose check may not look at the time) since the last count; counting
             takes it off afterwards, so that no refill is given for time in which the bucket was full
    """

    rates: Rates
    balance: int
    since: int
    spent: int = 0
    debt: int = 0

    @classmethod
    def full(cls, rates: Rates, at: int) -> Bucket:
        """Return a new bucket, which is full."""
        return cls(rates, rates.cap, at)

    def counted(self, at: int) -> Bucket:
        """Return the bucket with what has come in until `at`, and without its debt."""
        rates = self.rates
        gained = rates.refill * (at - self.since) // rates.period_s
        balance, since = self.balance + gained, self.since
        if balance >= rates.cap:
            balance, since = rates.cap, at
        elif gained:
            since += -(-gained * rates.period_s // rates.refill)  # rounded up: what is not given out whole stays
        return replace(self, balance=balance - self.debt, since=since, debt=0)

    def debited(self, amount: int, at: int | None) -> Bucket:
        """Return the bucket without `amount`; with no time, only what was counted before can be taken.

        raises  Refused
        """
        bucket = self if at is None else self.counted(at)
        if amount + bucket.debt > bucket.balance:
            raise Refused("buckets: over budget")
        spent = bucket.spent
        if bucket.rates.lifetime != UNLIMITED:
            if spent + amount > bucket.rates.lifetime:
                raise Refused("buckets: lifetime spent")
            spent += amount
        if at is None:
            return replace(bucket, debt=bucket.debt + amount, spent=spent)
        return replace(bucket, balance=bucket.balance - amount, spent=spent)

    def with_rates(self, rates: Rates, at: int) -> Bucket:
        """Return the bucket at other rates: it keeps what it has, at most the new cap."""
        held = self.counted(at).balance
        return Bucket(rates, min(held, rates.cap), at, self.spent)
