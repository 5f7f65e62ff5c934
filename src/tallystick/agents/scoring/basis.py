"""All that a score was computed from, as one document: whoever has it computes the same score, without a chain.

Facts come from the index and from proofs of payment; seeds, share and prior are the reader's. The document names the
block at which the facts were true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.scoring.baseline import naive_average, paid_average
from tallystick.agents.scoring.trust import WHOLE, Payment, Rating, Score, Seed, Terms, Trust
from tallystick.core import canonical, documents
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import (
    SCORING_AMOUNT_MAX,
    SCORING_FACTS_MAX,
    SCORING_OWN_MAX,
    SCORING_RATERS_MAX,
    SCORING_SEEDS_MAX,
)

KIND = "tallystick/score/v1"


@dataclass(frozen=True)
class Scored:
    """A score and what it is to be compared with; all in parts of a thousand but the weights."""

    score: Score
    low: Score
    high: Score
    naive: int
    paid: int
    clients: int
    heard: int

    def to_dict(self) -> dict[str, object]:
        """Return the figures as JSON members; weights in the unit of the payments."""
        return {
            "score": self.score.permille, "low": self.low.permille, "high": self.high.permille,
            "weight": str(self.score.weight), "good": str(self.score.good), "bad": str(self.score.bad),
            "prior": str(self.score.prior), "naive_average": self.naive, "paid_average": self.paid,
            "clients": self.clients, "clients_heard": self.heard,
        }  # fmt: skip

    def explain(self, named: Callable[[int], str] = str) -> list[str]:
        """Return the score in words; `named` says an amount of the coin."""
        score, low, high = self.score, self.low.permille, self.high.permille
        said = [
            f"score {score.permille} of 1000; between {low} and {high} without any one seed",
            f"trust worth {named(score.good)} speaks for the agent, {named(score.bad)} against it",
            f"the prior that an unknown agent is worth nothing weighs {named(score.prior)}",
            f"{self.heard} of {self.clients} clients are heard: they paid it, and trust from your seeds reaches them",
            f"the naive average is {self.naive}, by payments {self.paid}; anybody can make either what he likes",
        ]
        if max(high, score.permille) - min(low, score.permille) > WHOLE // 4:
            said.append("the score hangs on one seed: believe the lowest of the span, or choose more seeds")
        return said


@dataclass(frozen=True)
class Basis:
    """The facts about one agent, at a block, and the reader's terms.

    coin      the address of the token that prices are in, zeros for the chain's own
    own       its owner and wallets, now and before
    payments  among whomsoever, in one unit
    """

    agent: AgentRef
    block: int
    coin: str
    own: tuple[str, ...]
    ratings: tuple[Rating, ...]
    payments: tuple[Payment, ...]
    seeds: tuple[Seed, ...]
    terms: Terms = field(default_factory=Terms)

    def compute(self) -> Scored:
        """Return the score; raises InvalidInput as `Trust`."""
        trust = Trust(self.payments, self.seeds, self.terms)
        low, high = trust.span(self.own, self.ratings)
        return Scored(
            trust.score(self.own, self.ratings), low, high, naive_average(self.ratings),
            paid_average(self.own, self.ratings, self.payments), len(self.ratings),
            trust.heard(self.own, self.ratings),
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """Return the canonical document; amounts are decimal text."""
        rows: dict[str, list[object]] = {
            "own": list(self.own),
            "payments": [[one.payer, one.payee, str(one.price), str(one.burned)] for one in self.payments],
            "ratings": [[one.client, one.permille] for one in self.ratings],
            "seeds": [[one.account, str(one.allotment)] for one in self.seeds],
        }
        terms = {"price_permille": self.terms.price_permille, "prior": str(self.terms.prior)}
        return canonical.encode(
            {"agent": str(self.agent), "block": self.block, "coin": self.coin, "kind": KIND, **rows, **terms}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Basis:
        """Read a document, which has one spelling; raises InvalidInput "scoring.kind" and those of its members."""
        names = ("agent", "block", "coin", "kind", "own", "payments", "price_permille", "prior", "ratings", "seeds")
        found = documents.members(canonical.decode(data, "score"), "score", names)
        if found["kind"] != KIND:
            raise InvalidInput("scoring.kind", "not the basis of a score", expected=KIND, got=ascii(found["kind"])[:80])
        return cls(
            AgentRef.parse(documents.text(found["agent"], "agent", 256)),
            documents.integer(found["block"], "block"),
            parse_address(found["coin"]),
            tuple(parse_address(one) for one in documents.listed(found["own"], "own", SCORING_OWN_MAX)),
            tuple(
                Rating(parse_address(client), documents.integer(permille, "rating", 0, WHOLE))
                for client, permille in _rows(found["ratings"], "ratings", 2, SCORING_RATERS_MAX)
            ),
            tuple(
                Payment(parse_address(payer), parse_address(payee), _units(price), _units(burned))
                for payer, payee, price, burned in _rows(found["payments"], "payments", 4, SCORING_FACTS_MAX)
            ),
            tuple(
                Seed(parse_address(account), _units(allotment))
                for account, allotment in _rows(found["seeds"], "seeds", 2, SCORING_SEEDS_MAX)
            ),
            Terms(documents.integer(found["price_permille"], "price_permille", 0, WHOLE), _units(found["prior"])),
        )


def _rows(value: object, what: str, width: int, longest: int) -> Iterable[list[object]]:
    for row in documents.listed(value, what, longest):
        found = documents.listed(row, what, width)
        if len(found) != width:
            raise InvalidInput("scoring.row", f"a row of {what} is not whole", expected=width, got=len(found))
        yield found


def _units(value: object) -> int:
    return documents.decimal(value, "amount", SCORING_AMOUNT_MAX)
