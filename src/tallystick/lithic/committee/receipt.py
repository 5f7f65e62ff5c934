"""The receipt of a committee's settled answer, out of the events of its request.

The form is that of every mode, `lithic.receipts`; what is a committee's own in it is in `votes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from tallystick.chain.bindings.committee import EVENTS, Committee, Fulfilled, Revealed, Slashed
from tallystick.chain.calls import Log
from tallystick.core.errors import Rejected
from tallystick.lithic.committee.decision import RequestState
from tallystick.lithic.committee.votes import CommitteeEvidence, Standing, Vote
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.receipt import AnswerReceipt


def build_receipt(contract: Committee, chain_id: int, request: bytes, logs: Iterable[Log]) -> AnswerReceipt:
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
    return AnswerReceipt(chain_id, contract.address, answer, CommitteeEvidence(terms, tuple(votes.values())))


def read_standings(contract: Committee, request: bytes) -> dict[str, Standing]:
    """Return what the chain says of each member of a request."""
    members = contract.terms_of(request).members
    seats = {member: contract.seat_of(request, member) for member in members}
    return {member: Standing(seat.signer, seat.weight) for member, seat in seats.items()}
