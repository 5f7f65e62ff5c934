"""The receipt of a settled answer: enough to recheck the committee's decision offline, years later.

It holds the request's terms and every counted vote with its signature. What it does not hold is who the members were:
their keys and stakes at that time are the chain's word, and whoever verifies brings them (`standings`, from
`Committee.seat_of`). `build_receipt` makes one out of the events of a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tallystick.chain.bindings.committee import EVENTS, Committee, Fulfilled, Revealed, Slashed, Terms
from tallystick.chain.calls import Log
from tallystick.core import canonical, documents, eip712
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.core.limits import COMMITTEE_MEMBERS_MAX
from tallystick.lithic.committee.decision import Ballot, OutputKind, RequestState, decide, is_paid
from tallystick.lithic.committee.request import request_id, terms_from_dict, terms_to_dict
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode, assurance_domain, signed_decimal

RECEIPT_KIND = "tallystick/committee-receipt/v1"


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


@dataclass(frozen=True)
class CommitteeReceipt:
    """A settled answer and what decided it."""

    chain_id: int
    contract: str
    terms: Terms
    votes: tuple[Vote, ...]
    answer: AssuredAnswer

    def verify(self, standings: Mapping[str, Standing]) -> int:
        """Return the answer if stake decided it.

        standings  of every member at that time, absent ones included, from the chain
        raises     InvalidInput "committee.terms"; VerificationFailed "committee.request", "committee.member",
                   "committee.vote", "committee.decision", "committee.cost", "eip712.signature"

        The caller's steps: that the contract at this address is a Committee, and that the standings are its own.
        """
        answer, terms = self.answer, self.terms
        # 1. The id is of this consumer, nonce and terms, on this chain and contract.
        derived = request_id(self.chain_id, self.contract, answer.consumer, answer.nonce, terms)
        _compare("committee.request", "the id is of another request", derived.hex(), answer.request_id.hex())
        # 2. The answer is of that request.
        wanted = (terms.model_digest.hex(), terms.input_digest.hex(), Mode.COMMITTEE)
        got = (answer.model_digest.hex(), answer.input_digest.hex(), answer.mode)
        _compare("committee.request", "the answer is of another request", wanted, got)
        # 3. The standings are of the members, all of them.
        _compare("committee.member", "the standings are of others", sorted(terms.members), sorted(standings))
        # 4. Every vote is a member's, once, within the terms, and signed by its key.
        ballots = [self._checked(vote, standings) for vote in self.votes]
        _compare("committee.vote", "a member votes once", len(ballots), len({vote.provider for vote in self.votes}))
        # 5. Stake decides, and decides this.
        kind, output = OutputKind(terms.kind), _only(answer.output)
        total = sum(standing.weight for standing in standings.values())
        decided = decide(kind, ballots, terms.threshold, total)
        _compare("committee.decision", "the votes decide otherwise", decided, output)
        # 6. It cost what those in agreement asked.
        paid = (vote.cost for vote in self.votes if is_paid(kind, vote.output, output, terms.tolerance))
        _compare("committee.cost", "it cost something else", sum(paid), answer.cost)
        return output

    def _checked(self, vote: Vote, standings: Mapping[str, Standing]) -> Ballot:
        standing, terms, answer = standings.get(vote.provider), self.terms, self.answer
        if standing is None:
            raise VerificationFailed("committee.member", "a vote is of no member", got=vote.provider)
        if not terms.low <= vote.output <= terms.high or vote.cost > terms.fee:
            got = f"{vote.output} for {vote.cost}"
            raise VerificationFailed("committee.vote", "a vote is outside the terms", got=got)
        signed = AssuredAnswer(
            answer.request_id, answer.consumer, answer.model_digest, answer.input_digest, (vote.output,), answer.mode,
            vote.cost, answer.deadline, answer.nonce,
        )  # fmt: skip
        signer = eip712.recover(signed.digest(assurance_domain(self.chain_id, self.contract)), vote.signature)
        _compare("committee.vote", "a vote was signed by another key", standing.signer, signer)
        return Ballot(vote.output, standing.weight)

    def to_bytes(self) -> bytes:
        """Return the receipt as canonical JSON."""
        votes = [
            {"cost": str(v.cost), "output": str(v.output), "provider": v.provider, "signature": v.signature.hex()}
            for v in self.votes
        ]
        return canonical.encode(
            {
                "answer": self.answer.to_dict(),
                "chain_id": str(self.chain_id),
                "contract": self.contract,
                "kind": RECEIPT_KIND,
                "terms": terms_to_dict(self.terms),
                "votes": votes,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> CommitteeReceipt:
        """Read a receipt; nothing is verified yet. Raises InvalidInput when malformed."""
        names = ("answer", "chain_id", "contract", "kind", "terms", "votes")
        found = documents.members(canonical.decode(data, "receipt"), "receipt", names)
        if found["kind"] != RECEIPT_KIND:
            raise InvalidInput("committee.kind", "not a receipt of a committee", expected=RECEIPT_KIND)
        votes = documents.listed(found["votes"], "votes", COMMITTEE_MEMBERS_MAX)
        return cls(
            documents.decimal(found["chain_id"], "chain_id"),
            parse_address(found["contract"]),
            terms_from_dict(found["terms"]),
            tuple(_vote(vote) for vote in votes),
            AssuredAnswer.from_dict(found["answer"]),
        )


def build_receipt(contract: Committee, chain_id: int, request: bytes, logs: Iterable[Log]) -> CommitteeReceipt:
    """Return the receipt of a fulfilled request.

    logs    those of the contract with the request's id as second topic, in the order of the chain
    raises  Rejected "answers: not fulfilled", "requests: unknown request"
    """
    state, terms = contract.request_at(request), contract.terms_of(request)
    if state.state != RequestState.FULFILLED:
        raise Rejected("answers: not fulfilled", "the request has no settled answer")
    votes: dict[str, Vote] = {}
    for log in logs:
        event = EVENTS[log.topics[0]].decode(log)
        if isinstance(event, Revealed):
            votes[event.provider] = Vote(event.provider, event.output, event.cost, event.answer_signature)
        elif isinstance(event, Slashed):
            votes.pop(event.provider, None)
        elif isinstance(event, Fulfilled):
            break  # what proofs took later had been counted
    answer = AssuredAnswer(
        request, state.consumer, terms.model_digest, terms.input_digest, (state.output,), Mode.COMMITTEE, state.cost,
        state.reveal_until, state.nonce,
    )  # fmt: skip
    return CommitteeReceipt(chain_id, contract.address, terms, tuple(votes.values()), answer)


def read_standings(contract: Committee, request: bytes) -> dict[str, Standing]:
    """Return what the chain says of each member of a request."""
    members = contract.terms_of(request).members
    seats = {member: contract.seat_of(request, member) for member in members}
    return {member: Standing(seat.signer, seat.weight) for member, seat in seats.items()}


def _only(output: tuple[int, ...]) -> int:
    if len(output) != 1:
        raise VerificationFailed("committee.decision", "a committee answers with one number", got=len(output))
    return output[0]


def _compare(code: str, message: str, expected: object, got: object) -> None:
    if expected != got:
        raise VerificationFailed(code, message, expected=expected, got=got)


def _vote(value: object) -> Vote:
    found = documents.members(value, "vote", ("cost", "output", "provider", "signature"))
    return Vote(
        parse_address(found["provider"]),
        signed_decimal(found["output"], "output"),
        documents.decimal(found["cost"], "cost"),
        documents.hexed(found["signature"], "signature", 65),
    )
