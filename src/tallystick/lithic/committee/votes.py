"""What makes a committee's answer checkable: the request's terms, and every counted vote with its signature.

What it does not hold is who the members were: their keys and stakes at that time are the chain's word, and whoever
checks brings them (`standings`, from `Committee.seat_of`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from tallystick.chain.bindings.committee import Terms
from tallystick.core import documents, eip712
from tallystick.core.checks import Check
from tallystick.core.errors import TallystickError
from tallystick.core.ids import parse_address
from tallystick.core.limits import COMMITTEE_MEMBERS_MAX
from tallystick.lithic.committee.decision import Ballot, OutputKind, decide, is_paid
from tallystick.lithic.committee.request import terms_from_dict, terms_to_dict
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode, assurance_domain, signed_decimal


@dataclass(frozen=True)
class Standing:
    """What the chain says of a member of one request: the key that signs its answer, and its stake."""

    signer: str
    weight: int


@dataclass(frozen=True)
class Vote:
    """A member's answer, with the signature of its AssuredAnswer."""

    provider: str
    output: int
    cost: int
    signature: bytes

    def to_dict(self) -> dict[str, object]:
        """Return the vote as JSON members."""
        return {
            "cost": str(self.cost), "output": str(self.output), "provider": self.provider,
            "signature": self.signature.hex(),
        }  # fmt: skip


@dataclass(frozen=True)
class CommitteeEvidence:
    """A request to Committee, and what decided it."""

    mode: ClassVar[Mode] = Mode.COMMITTEE

    terms: Terms
    votes: tuple[Vote, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the evidence as JSON members."""
        return {"terms": terms_to_dict(self.terms), "votes": [vote.to_dict() for vote in self.votes]}

    @classmethod
    def from_dict(cls, value: object) -> CommitteeEvidence:
        """Read evidence without checking it; raises InvalidInput when malformed."""
        found = documents.members(value, "evidence", ("terms", "votes"))
        votes = documents.listed(found["votes"], "votes", COMMITTEE_MEMBERS_MAX)
        return cls(terms_from_dict(found["terms"]), tuple(_vote(vote) for vote in votes))

    def check(
        self, chain_id: int, contract: str, answer: AssuredAnswer, standings: Mapping[str, Standing]
    ) -> Iterator[Check]:
        """Yield what holds of an answer that these votes are to have decided.

        standings  of every member at that time, absent ones included, from the chain
        """
        yield Check.equal("members", sorted(self.terms.members), sorted(standings), "whose standings are known")
        voters = [vote.provider for vote in self.votes]
        yield Check.equal("votes", len(voters), len(set(voters)), "a member votes once")
        domain = assurance_domain(chain_id, contract)
        for vote in self.votes:
            yield self._check_vote(vote, answer, standings.get(vote.provider), domain)
        kind = OutputKind(self.terms.kind)
        ballots = [
            Ballot(vote.output, standings[vote.provider].weight) for vote in self.votes if vote.provider in standings
        ]
        total = sum(standing.weight for standing in standings.values())
        decided = decide(kind, ballots, self.terms.threshold, total)
        yield Check.equal("output", (decided,), answer.output, f"as stake decides, {total} in all")
        if decided is not None:
            paid = (vote.cost for vote in self.votes if is_paid(kind, vote.output, decided, self.terms.tolerance))
            yield Check.equal("cost", sum(paid), answer.cost, "what those in agreement asked")

    def _check_vote(self, vote: Vote, answer: AssuredAnswer, standing: Standing | None, domain: eip712.Domain) -> Check:
        name, terms = f"vote of {vote.provider}", self.terms
        if standing is None:
            return Check(name, False, "is of no member")
        if not terms.low <= vote.output <= terms.high or vote.cost > terms.fee:
            return Check(name, False, f"{vote.output} for {vote.cost} is outside the terms")
        try:
            signed = replace(answer, output=(vote.output,), cost=vote.cost).digest(domain)
            signer = eip712.recover(signed, vote.signature)
        except TallystickError as error:
            return Check.failed(name, error)
        return Check.equal(name, standing.signer, signer, "who signed it")


def _vote(value: object) -> Vote:
    found = documents.members(value, "vote", ("cost", "output", "provider", "signature"))
    return Vote(
        parse_address(found["provider"]),
        signed_decimal(found["output"], "output"),
        documents.decimal(found["cost"], "cost"),
        documents.hexed(found["signature"], "signature", 65),
    )
