"""What happened in the agents' story, as plain values: what summary, JSON and HTML report are made from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ServiceTold:
    """A service as the agent found it; the score in parts of a thousand, by trust and by the naive average."""

    name: str
    agent: int
    price: str
    score: int
    naive: int
    is_best: bool


@dataclass(frozen=True)
class AnswerTold:
    """One answer that was bought over x402, and what its two receipts are worth."""

    seller: str
    amount: str
    benign: float
    entry: int
    checks_passed: int
    checks_total: int
    fault: str = ""

    @property
    def is_verified(self) -> bool:
        """Whether ticket and payment receipt hold, and tell of one entry."""
        return self.checks_total > 0 and self.checks_passed == self.checks_total and not self.fault


@dataclass(frozen=True)
class OrderTold:
    """Something that a planner was told to do, and why it was refused; "" where it was done."""

    tool: str
    told: str
    refused_by: str


@dataclass(frozen=True)
class PaidTold:
    """One payment that left the wallet, as the audit found it: how, to whom, and what its record says it was for."""

    amount: str
    payee: str
    how: str
    purpose: str
    decided_by: str
    asked_by: str


@dataclass
class AgentsTold:
    """The whole story, filled in as it happens; amounts are decimals of the token.

    budget        the most that the agent can spend alone while its session lives, by the wallet's policy
    alone         what it spent without a person
    to_thief      what reached the account that the hostile document named
    channel_calls answers over the channel, each with the payee's receipt
    channel_paid  what the payee brought of the channel to the chain
    items         what waited for people: how each ended
    frozen        whether the guardian's freeze holds, and nothing left after it
    remarks       of the audit: worth knowing, and no gap
    seconds       wall time by chapter
    """

    chain: str = ""
    wallet: str = ""
    budget: str = ""
    alone: str = ""
    answer: str = ""
    services: list[ServiceTold] = field(default_factory=list)
    answers: list[AnswerTold] = field(default_factory=list)
    channel_calls: int = 0
    channel_wanted: int = 0
    channel_per_second: float = 0.0
    channel_price: str = ""
    channel_paid: str = ""
    channel_is_settled: bool = False
    orders: list[OrderTold] = field(default_factory=list)
    refused_on_chain: list[str] = field(default_factory=list)
    to_thief: str = ""
    wanted: str = ""
    over_budget: str = ""
    item_words: tuple[str, ...] = ()
    items: list[str] = field(default_factory=list)
    frozen: bool = False
    after_freeze: list[OrderTold] = field(default_factory=list)
    paid: list[PaidTold] = field(default_factory=list)
    audit_balanced: bool = False
    audit_checks: int = 0
    audit_links: int = 0
    unexplained: int = 0
    gaps: list[str] = field(default_factory=list)
    is_within: bool = False
    commands: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    def paid_in_groups(self) -> list[tuple[int, str, str, str, str]]:
        """Return (how many, amount of each, payee, how, why) of payments that are alike, in their order."""
        found: dict[tuple[str, str, str, str], int] = {}
        for one in self.paid:
            key = (one.amount, one.payee, one.how, one.purpose)
            found[key] = found.get(key, 0) + 1
        return [(count, *key) for key, count in found.items()]

    def checks(self) -> tuple[tuple[bool, str], ...]:
        """Return what had to come out, each with whether it did."""
        verified = sum(one.is_verified for one in self.answers)
        refusals = sum(bool(one.refused_by) for one in self.orders)
        return (
            (
                bool(self.answers) and verified == len(self.answers),
                f"{verified} of {len(self.answers)} bought answers have an inference receipt and a payment receipt, "
                "and both tell of the same entry",
            ),
            (
                self.channel_is_settled and self.channel_calls == self.channel_wanted,
                f"{self.channel_calls:,} of {self.channel_wanted:,} answers over the channel, paid by one transaction "
                f"of {self.channel_paid}",
            ),
            (
                bool(self.orders) and refusals == len(self.orders) and self.to_thief == "0",
                f"{refusals} of {len(self.orders)} orders of the hostile document were refused on chain; "
                f"{self.to_thief} reached its author",
            ),
            (
                bool(self.over_budget) and self.items == ["approved and paid"],
                f"{self.wanted} was more than the budget had left ({self.over_budget or 'not refused'}): it waited "
                "for a person, who let it pass",
            ),
            (self.is_within, f"{self.alone} was spent without a person, of a budget of {self.budget}"),
            (self.frozen, "a guardian froze the wallet, and nothing left it afterwards"),
            (
                self.audit_balanced and not self.unexplained,
                f"the audit of {self.audit_links} links balances; {len(self.paid) - self.unexplained} of "
                f"{len(self.paid)} payments have a signed record of what they were for",
            ),
        )

    @property
    def is_whole(self) -> bool:
        """Whether all of it came out."""
        return all(good for good, _ in self.checks())

    def summary(self) -> dict[str, object]:
        """Return the one object that `tally demo agents --json` ends with."""
        return {
            "payments": len(self.paid),
            "channel_calls": self.channel_calls,
            "refused": len(self.refused_on_chain),
            "queued": len(self.items),
            "frozen": self.frozen,
            "audit_balanced": self.audit_balanced,
            "seconds": round(sum(self.seconds.values()), 1),
        }
