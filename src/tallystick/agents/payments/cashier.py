"""The seller's side of a payment: ask, take up, work, settle; and the same answer for the same payment, ever after.

A transport, HTTP or MCP or A2A, carries; this decides. It calls `accept` before the work and `settle` or `release`
after it:

    got = cashier.accept(payment, terms, operation)
    if isinstance(got, Accepted):        do the work, then cashier.settle(got, answer) or cashier.release(got, why)
    if isinstance(got, Answered):        give the kept answer again; nothing is charged
    if isinstance(got, Refused):         ask anew, with the reason
    if isinstance(got, Unknown):         say "repeat the same payment"; never ask anew

What holds whatever crashes: a payment is settled for one operation and once; an answer leaves only when it is settled;
and while nobody knows whether it is, the claim stays, so that the same payment finds its way back to its answer.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tallystick.agents.payments import reasons
from tallystick.agents.payments.claims import CLAIMED, REFUSED, RELEASED, SETTLED, SETTLING, Claim, Claims
from tallystick.agents.payments.operation import BINDING, Operation, bound_nonce
from tallystick.agents.payments.outcomes import Claimable, Outcome, Refused, Scheme, Settled, Unknown
from tallystick.agents.payments.receipts import EXTENSION, PaymentReceipt, sign_receipt
from tallystick.agents.payments.terms import PAYMENT_IDENTIFIER, Flow, Terms
from tallystick.agents.payments.wire import Payment, Requirements, Settlement, write_text
from tallystick.chain.accounts import Account
from tallystick.core.digest import parse_hex32, sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import (
    PAYMENT_ANSWER_BYTES_MAX,
    PAYMENT_ANSWER_KEPT_S,
    PAYMENT_CLAIM_S,
    PAYMENT_DELIVERIES_MAX,
)

_IDENTIFIER = re.compile(r"[a-zA-Z0-9_-]{16,128}\Z", re.ASCII)
_IN_WORK: Final = Unknown(reasons.IN_WORK, "the same payment is being worked on; repeat it")


@dataclass(frozen=True)
class Accepted:
    """A payment that was taken up: the work may be done, by the one who holds this.

    settled  where the money moved before the work
    """

    claim: Claim
    flow: Flow
    settled: Settled | None = None


@dataclass(frozen=True)
class Answered:
    """A payment that was settled before, with the answer that it bought."""

    settled: Settled
    answer: bytes


class Cashier:
    """Takes payments into one book of claims, which any number of processes may share.

    schemes  by name
    clock    seconds since 1970
    seller   signs receipts, the payee's key as a rule; without it there are none
    hold_s   how long the work may take, before it is deemed crashed
    """

    def __init__(
        self,
        claims: Claims,
        schemes: Mapping[str, Scheme],
        clock: Callable[[], float],
        *,
        seller: Account | None = None,
        hold_s: float = PAYMENT_CLAIM_S,
    ) -> None:
        self._claims = claims
        self._schemes = schemes
        self._clock = clock
        self._seller = seller
        self._hold_s = hold_s

    def accept(self, payment: Payment, terms: Terms, operation: Operation) -> Accepted | Answered | Refused | Unknown:
        """Return what is to be done about a payment for an operation; on `Accepted` the claim is on the disk.

        raises  Broken, VerificationFailed where the book fails; never over what a payer sent
        """
        scheme = self._schemes.get(payment.accepted.scheme)
        if scheme is None:
            return Refused(reasons.SCHEME, f"{payment.accepted.scheme} is not taken here")
        payment_id = _identifier(payment)
        if isinstance(payment_id, Refused):
            return payment_id
        if terms.is_for_another(payment.accepted, operation):
            return Refused(reasons.OPERATION, "the payment was made for another request")
        requirements = terms.match(payment.accepted, operation)
        key = scheme.claim(payment, requirements or payment.accepted)
        if isinstance(key, Refused):
            return key
        if not _is_bound(payment, key, operation):
            return Refused(reasons.OPERATION, "its nonce was made for another request", key.payer)
        known = self._claims.find(key, payment_id)
        if known is not None and known.key.digest != key.digest:
            found = self._of_identifier(known, key, payment, requirements)
            if found is not None:
                return found
            if known.state in (RELEASED, REFUSED) and known.key.valid_before <= self._clock():
                self._claims.drop_identifier(known)
                known = None
        if known is not None:
            return self._again(known, payment_id, terms, operation)
        faulty = self._fault(payment, requirements, key)
        if faulty is not None or requirements is None:
            return faulty or Refused(reasons.TERMS)
        claim = self._claims.open(
            key, operation.hash(), payment_id, payment, requirements, secrets.token_bytes(16), self._clock(),
            self._hold_s,
        )  # fmt: skip
        return _IN_WORK if claim is None else self._begin(claim, terms.flow)

    def settle(
        self, accepted: Accepted, answer: bytes | None, *, body: bytes | None = None, entry: bytes | None = None
    ) -> Outcome:
        """Return what came of the payment, now that the work is done; the answer leaves only on `Settled`.

        answer  kept, to be given again for the same payment; None, or one that is too large, is made again instead
        body    what the receipt is about, where that is not the answer as it is kept
        entry   leaf hash of the log's entry, where the answer has an inference receipt
        """
        kept = answer if answer is not None and len(answer) <= PAYMENT_ANSWER_BYTES_MAX else None
        told = answer if body is None else body
        claim, now_s = accepted.claim, self._clock()
        sold = {"answer": kept, "answer_digest": None if told is None else sha256(told), "entry": entry}
        if accepted.settled is None:
            held = {"holder": claim.holder, "held_until": now_s + self._hold_s}
            begun = self._claims.move(claim, SETTLING, now_s, **sold, **held)
            return _IN_WORK if begun is None else self._finish(begun)
        moved = self._claims.move(claim, SETTLED, now_s, **sold)
        if moved is None:
            return _IN_WORK
        settled = self._with_receipt(moved, accepted.settled)
        self._claims.move(moved, SETTLED, now_s, settlement=write_text(settled.to_settlement().to_dict()))
        return settled

    def release(self, accepted: Accepted, why: str) -> None:
        """Give the claim up: the work failed. What was not settled never is; what was is owed back to the payer."""
        if accepted.settled is None:
            self._claims.move(accepted.claim, RELEASED, self._clock(), reason=why)
        else:
            self._claims.move(accepted.claim, SETTLED, self._clock(), refund=why)

    def resume(self) -> list[Outcome]:
        """Return what came of every settlement that was begun and has no outcome, asked for once more.

        Answers that were kept for a day are forgotten on the way.
        """
        self._claims.forget_answers(self._clock() - PAYMENT_ANSWER_KEPT_S)
        outcomes: list[Outcome] = []
        for claim in self._claims.unsettled(self._clock()):
            taken = self._claims.take_over(claim, secrets.token_bytes(16), self._clock(), self._hold_s)
            if taken is not None:
                outcomes.append(self._finish(taken))
        return outcomes

    # --- parts

    def _fault(self, payment: Payment, requirements: Requirements | None, key: Claimable) -> Refused | Unknown | None:
        """Return why a payment cannot be taken up; None where it can."""
        if requirements is None:
            return Refused(reasons.TERMS, "what was accepted is not what is asked for", key.payer)
        verdict = self._schemes[requirements.scheme].verify(payment, requirements)
        if isinstance(verdict, Unknown) or verdict.is_valid:
            return verdict if isinstance(verdict, Unknown) else None
        return Refused(verdict.reason, verdict.message, key.payer)

    def _of_identifier(
        self, known: Claim, key: Claimable, payment: Payment, requirements: Requirements | None
    ) -> Refused | Unknown | None:
        """Return why another payment may not stand for a known one of its identifier; None where it may.

        A payer that signed anew under one identifier is served for the first, and the second is never settled. It has
        to show that it is the payer, since what an identifier names is an answer that was paid for.
        """
        if known.key.nonce == key.nonce:
            return Refused(reasons.BOUND, "another payment with this nonce is claimed", key.payer)
        return self._fault(payment, requirements, key)

    def _again(
        self, known: Claim, payment_id: str | None, terms: Terms, operation: Operation
    ) -> Accepted | Answered | Refused | Unknown:
        """Return what is to be done about a payment that was claimed before."""
        payer = known.key.payer
        if known.operation != operation.hash():
            return Refused(reasons.OPERATION, "the payment is claimed for another request", payer)
        if known.payment_id is not None and known.payment_id != payment_id:
            return Refused(reasons.IDENTIFIER, "the payment was made under another identifier", payer)
        if known.state == SETTLED and known.answer is not None:
            return Answered(_settled(known), known.answer)
        if known.state == SETTLED and known.refund:
            return Refused(reasons.OWED, f"the work failed, the payment is owed back: {known.refund}", payer)
        if known.state == SETTLED and known.deliveries >= PAYMENT_DELIVERIES_MAX:
            return Refused(reasons.DELIVERED, "what the payment bought was delivered", payer)
        if known.is_held(self._clock()):
            return _IN_WORK
        if known.state in (CLAIMED, RELEASED, REFUSED):
            faulty = self._fault(known.payment, known.requirements, known.key)
            if faulty is not None:
                return faulty
        taken = self._claims.take_over(known, secrets.token_bytes(16), self._clock(), self._hold_s)
        return _IN_WORK if taken is None else self._begin(taken, terms.flow)

    def _begin(self, claim: Claim, flow: Flow) -> Accepted | Answered | Refused | Unknown:
        """Return the claim ready for the work, its settlement first where that comes first or was begun."""
        if claim.state == SETTLED:
            return Accepted(claim, flow, _settled(claim))
        if claim.state == CLAIMED and flow is Flow.AFTER:
            return Accepted(claim, flow)
        if claim.state == CLAIMED:
            begun = self._claims.move(claim, SETTLING, self._clock(), holder=claim.holder)
            if begun is None:
                return _IN_WORK
            claim = begun
        outcome = self._finish(claim, keep_hold=claim.answer is None)
        if not isinstance(outcome, Settled):
            return outcome
        if claim.answer is not None:
            return Answered(outcome, claim.answer)
        return Accepted(replace(claim, state=SETTLED, settlement=outcome.to_settlement().to_dict()), flow, outcome)

    def _finish(self, claim: Claim, *, keep_hold: bool = False) -> Outcome:
        """Return what came of a settlement that is begun, and write it down."""
        outcome = self._schemes[claim.requirements.scheme].settle(claim.payment, claim.requirements)
        now_s = self._clock()
        if isinstance(outcome, Settled):
            outcome = self._with_receipt(claim, outcome)
            self._claims.settle(claim, outcome.to_settlement().to_dict(), now_s, keep_hold=keep_hold)
        elif isinstance(outcome, Refused):
            self._claims.move(claim, REFUSED, now_s, reason=f"{outcome.reason}: {outcome.message}")
        else:
            self._claims.move(claim, SETTLING, now_s, reason=outcome.message)
        return outcome

    def _with_receipt(self, claim: Claim, settled: Settled) -> Settled:
        """Return the settlement with the seller's receipt for it, where it signs any."""
        if self._seller is None:
            return settled
        key = claim.key
        receipt = PaymentReceipt(
            network=key.network,
            asset=key.asset,
            payer=key.payer,
            payee=key.payee,
            amount=settled.amount,
            nonce=key.nonce,
            operation=claim.operation,
            transaction=settled.transaction,
            answer=claim.answer_digest,
            entry=claim.entry,
            issued_at=int(self._clock()),
        )
        return replace(settled, extensions={EXTENSION: {"info": sign_receipt(receipt, self._seller).to_dict()}})


def _identifier(payment: Payment) -> str | Refused | None:
    """Return the payer's own name for the payment, under x402's extension `payment-identifier`; None for none."""
    found = payment.extension_info(PAYMENT_IDENTIFIER).get("id")
    if found is None:
        return None
    if not isinstance(found, str) or not _IDENTIFIER.match(found):
        return Refused(reasons.IDENTIFIER, "a payment identifier has 16 to 128 of [A-Za-z0-9_-]")
    return found


def _is_bound(payment: Payment, key: Claimable, operation: Operation) -> bool:
    """Whether a payment whose payer says that its nonce commits to the operation does so; most payers say nothing."""
    salt = payment.extension_info(BINDING).get("salt")
    if salt is None:
        return True
    try:
        return bound_nonce(operation, parse_hex32(salt, "salt")) == key.nonce
    except InvalidInput:
        return False


def _settled(claim: Claim) -> Settled:
    told = Settlement.read(dict(claim.settlement))
    return Settled(told.network, told.payer, int(told.amount), told.transaction, told.extensions)
