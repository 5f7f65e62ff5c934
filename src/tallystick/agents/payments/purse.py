"""The payer's side: what is asked is weighed, signed within limits, written down before it leaves, and never twice.

    booked = purse.pay(challenge, operation, origin)        signs, or returns the payment that is undecided
    … the transport sends booked.payment …
    booked = purse.learn(booked, settlement)                once somebody said what came of it
    purse.reconcile()                                       what nobody told: the chain decides, or time

While the outcome of a payment is not known, the same payment is what `pay` returns for its operation. A seller that
asks again, for more or for another payee, gets that, and no second signature. Only the chain releases what was signed:
its nonce is not spent and its time is over.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Payer
from tallystick.agents.payments.purse_book import (
    RELEASED,
    RESERVED,
    SETTLED,
    SIGNED,
    Booked,
    OverBudget,
    PurseBook,
    Undecided,
)
from tallystick.agents.payments.terms import PAYMENT_IDENTIFIER
from tallystick.agents.payments.transfers import find_transfer, is_spent
from tallystick.agents.payments.wire import Challenge, Members, Payment, Requirements, Settlement
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tallystick.core.ids import parse_address
from tallystick.core.limits import PURSE_IDLE_S, PURSE_RESERVED_S, PURSE_WARN_PERCENT, PURSE_WINDOW_S


@dataclass(frozen=True)
class Limits:
    """What a purse pays at most, in smallest units, by token: for one payment, and in a day.

    A token that is not among `each` is not paid in. These limits are the purse's own; a policy account's hold beside.
    """

    each: Mapping[str, int]
    daily: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Weighed:
    """One way to pay, and why it is not taken; `refusal` is empty where it could be."""

    requirements: Requirements
    payer: Payer | None
    refusal: str


class Purse:
    """Pays with `payers`, the first that can, from one book that any number of processes may share.

    payers  by the scheme that each signs, `exact` or another
    node    of the chain whose word counts on whether money moved
    told    hears warnings in words: a limit that is four fifths spent
    record  hears what is about to be signed, for what, and with which nonce; if it raises, nothing is signed
    """

    def __init__(
        self,
        book: PurseBook,
        payers: Mapping[str, Payer],
        limits: Limits,
        node: Node,
        clock: Callable[[], float],
        *,
        told: Callable[[str], None] | None = None,
        record: Callable[[Requirements, Operation, bytes], None] | None = None,
    ) -> None:
        self._book = book
        self._payers = payers
        self._limits = limits
        self._node = node
        self._clock = clock
        self._told = told or (lambda words: None)
        self._record = record

    # --- before

    def weigh(self, challenge: Challenge, origin: str, payee: str | None = None) -> list[Weighed]:
        """Return every way to pay that a seller named, with why it would not be taken; nothing is signed.

        payee  whom the payer means to pay, its `getAgentWallet` say; without it, whoever this origin named first
        """
        return [self._weighed(one, origin, payee) for one in challenge.accepts]

    def undecided(self, operation: Operation) -> Booked | None:
        """Return the signed payment of an operation whose outcome is not known: the one to send again.

        Of one whose time is over the chain is asked: it is gone where it was never taken; where it was, its answer is
        still to be had. Raises Unavailable where the chain does not answer.
        """
        signed = [one for one in self._book.undecided(operation.hash()) if one.state == SIGNED]
        if not signed or signed[0].valid_before > self._clock():
            return signed[0] if signed else None
        known = self._reconciled(signed[0])
        return None if known.state == RELEASED else known

    def pay(self, challenge: Challenge, operation: Operation, origin: str, payee: str | None = None) -> Booked:
        """Return a signed payment for an operation, on the disk; the undecided one where there is one.

        raises  Rejected "payment.refused" where no way to pay is within limits, with each way's reason;
                "payment.budget", "payment.slots", "payment.policy", "payment.other_payee"; Unavailable
                "payment.signing", "payment.undecided", or where the chain does not answer: nothing was signed
        """
        known = self.undecided(operation)
        if known is not None and known.state == SIGNED and known.valid_before <= self._clock():
            raise Unavailable(
                "payment.undecided", "an earlier payment has ended, and no block shows yet that it was not taken",
                got=known.id, hint="`tally agent payments reconcile` asks the chain again",
            )  # fmt: skip
        if known is not None:
            return known
        weighed = self.weigh(challenge, origin, payee)
        chosen = next((one for one in weighed if not one.refusal), None)
        if chosen is None or chosen.payer is None:
            reasons = "; ".join(dict.fromkeys(one.refusal for one in weighed)) or "the seller names no way to pay"
            raise Rejected("payment.refused", f"not paid: {reasons}", hint="raise the limit if this is meant")
        if payee is None:
            self._pin(chosen.requirements, origin)
        return self._sign(chosen.requirements, chosen.payer, challenge, operation)

    # --- after

    def learn(self, booked: Booked, settlement: Settlement | None, why: str = "") -> Booked:
        """Return the payment after what the seller said of it, or did not say; the chain is asked where that matters.

        settlement  None where there was no word: a lost connection, a 503
        why         in words, for the book
        """
        found = self._on_chain(booked) if settlement is not None else None
        if settlement is not None and found is not None:
            told = replace(settlement if settlement.success else found, transaction=found.transaction)
            note = "" if settlement.success else f"the seller says {settlement.reason}, the chain shows the payment"
            return self._book.tell(booked.id, SETTLED, told, note, self._clock())
        if settlement is not None and settlement.success:
            note = "the seller says that it is settled, and the chain does not show it"
            return self._book.tell(booked.id, SIGNED, settlement, note, self._clock())
        note = f"refused: {settlement.reason} {settlement.message}".strip() if settlement else why or "no answer"
        return self._book.tell(booked.id, SIGNED, settlement, note, self._clock())

    def reconcile(self) -> list[Booked]:
        """Return every undecided payment as it stands now: settled as the chain shows it, released if it cannot be.

        raises  Unavailable where the chain does not answer
        """
        return [self._reconciled(one) for one in self._book.undecided()]

    def newest(self, limit: int = 100) -> list[Booked]:
        """Return the newest payments, youngest first."""
        return self._book.newest(limit)

    def forget_payee(self, origin: str) -> int:
        """Forget whom payments to an origin go to, so that the next one is pinned anew; return on how many networks."""
        return self._book.unpin(origin)

    # --- parts

    def _weighed(self, one: Requirements, origin: str, payee: str | None) -> Weighed:
        payer = self._payers.get(one.scheme)
        if payer is None:
            return Weighed(one, None, f"nobody here pays by {one.scheme}")
        refusal = self._limit(one) or self._wrong_payee(one, origin, payee) or payer.refusal(one, int(self._clock()))
        return Weighed(one, payer, refusal)

    def _limit(self, one: Requirements) -> str:
        try:
            asset = parse_address(one.asset)
        except InvalidInput:
            return f"{one.asset} is no token of ours"
        most = self._limits.each.get(asset)
        if most is None:
            return f"{asset} is not among the tokens that are paid in"
        return "" if one.amount <= most else f"{one.amount} is asked for, at most {most} is paid at once"

    def _wrong_payee(self, one: Requirements, origin: str, payee: str | None) -> str:
        expected = payee or self._book.payee(origin, one.network)
        try:
            asked = parse_address(one.pay_to)
        except InvalidInput as error:
            return f"the payee is no address: {error}"
        if expected is None or asked == expected:
            return ""
        known = "was paid before" if payee is None else "is meant"
        return f"{asked} is to be paid, {expected} {known}"

    def _pin(self, one: Requirements, origin: str) -> None:
        """Remember whom this origin names first; raises Rejected "payment.other_payee" where that is somebody else."""
        payee = parse_address(one.pay_to)
        first = self._book.pin(origin, one.network, payee, self._clock())
        if first != payee:
            raise Rejected(
                "payment.other_payee", "another payee was named here at the same time", expected=first, got=payee,
                hint="say whom you mean to pay",
            )  # fmt: skip

    def _sign(self, requirements: Requirements, payer: Payer, challenge: Challenge, operation: Operation) -> Booked:
        payment_id, payee, now_s = secrets.token_hex(16), parse_address(requirements.pay_to), self._clock()
        candidates = payer.candidates(requirements, operation, int(now_s))
        daily = self._limits.daily.get(parse_address(requirements.asset))
        try:
            candidate = self._book.reserve(
                payment_id, payer.address, payee, requirements, operation.hash(), operation.resource, candidates,
                daily, now_s - PURSE_WINDOW_S, self._node.block_number(), now_s,
            )  # fmt: skip
        except Undecided as error:
            if error.booked.state == SIGNED:
                return error.booked
            raise Unavailable("payment.signing", "a payment for this is being signed", hint="try again") from None
        except OverBudget as error:
            raise Rejected(
                "payment.budget",
                "more would be paid in a day than may be",
                expected=f"at most {daily}",
                got=f"{error.spent} spent, {requirements.amount} asked for",
                hint="wait, or raise the daily limit; what is undecided counts as spent",
            ) from None
        if candidate is None:
            raise Rejected("payment.slots", "every slot of this period is used", hint="wait for the next period")
        try:
            if self._record is not None:
                self._record(requirements, operation, candidate.nonce)
            signed = payer.sign(requirements, candidate, int(now_s))
        except (InvalidInput, Rejected) as error:
            self._book.tell(payment_id, RELEASED, None, f"not signed: {error.code}", self._clock())
            raise
        extensions = _extensions(challenge, payment_id, candidate.extensions)
        payment = Payment(requirements, signed.payload, challenge.resource, extensions)
        booked = self._book.sign(payment_id, payment, signed.claim.digest, signed.claim.valid_before, self._clock())
        self._warn(requirements, payer, daily, now_s)
        return booked

    def _warn(self, one: Requirements, payer: Payer, daily: int | None, now_s: float) -> None:
        if daily:
            spent = self._book.spent(one.network, one.asset, payer.address, now_s - PURSE_WINDOW_S)
            if spent * 100 >= daily * PURSE_WARN_PERCENT:
                self._told(f"{spent} of {daily} that may be paid in a day are spent")

    def _on_chain(self, booked: Booked) -> Settlement | None:
        """Return the settlement as the chain shows it, None where it does not, or does not answer."""
        try:
            found = find_transfer(self._node, booked.claim, booked.from_block)
        except (Unavailable, Rejected, InvalidInput):
            return None
        return None if found is None else found.to_settlement()

    def _reconciled(self, booked: Booked) -> Booked:
        now_s = self._clock()
        if booked.state == RESERVED:
            if now_s - booked.made_s < PURSE_RESERVED_S:
                return booked
            return self._book.tell(booked.id, RELEASED, None, "never signed", now_s)
        found = find_transfer(self._node, booked.claim, booked.from_block)
        if found is not None:
            return self._book.tell(booked.id, SETTLED, found.to_settlement(), "found on chain", now_s)
        if is_spent(self._node, booked.claim):
            return self._book.tell(booked.id, RELEASED, None, "its nonce was cancelled", now_s)
        seen = (self._node.finalized() or self._node.block()).timestamp
        is_idle = now_s >= booked.valid_before + PURSE_IDLE_S  # a chain that makes no blocks has none later to show
        if booked.valid_before and (seen >= booked.valid_before or is_idle):
            return self._book.tell(booked.id, RELEASED, None, "its time is over and the chain never took it", now_s)
        return booked


def _extensions(challenge: Challenge, payment_id: str, said: Members) -> dict[str, Any]:
    """Return what goes back of the extensions that the seller named: as they were, and what we say under each."""
    ours: dict[str, Any] = {**said, PAYMENT_IDENTIFIER: {"info": {"id": payment_id}}}
    made: dict[str, Any] = {}
    for name, told in challenge.extensions.items():
        mine = ours.get(name)
        if mine is None or not isinstance(told, dict):
            made[name] = told
            continue
        info = told.get("info")
        made[name] = {**told, "info": {**(info if isinstance(info, dict) else {}), **mine["info"]}}
    return made
