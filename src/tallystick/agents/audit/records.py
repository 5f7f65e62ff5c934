"""Each act joined to the signed record of what it was for; what is missing, contradicts, or led to nothing is named.

A link carries its record's hash. An authorization carries none, and a delegation its own digest: their record was kept
for nonce or digest, or is one of a list with the same session, payee, token and amount, written before, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tallystick.agents.audit.evidence import Evidence
from tallystick.agents.audit.findings import ACTS, Area, Finding, Link, Movement, Place, Tie
from tallystick.agents.intents import Payment
from tallystick.agents.intents_signed import Act, SignedIntent, check_signed
from tallystick.agents.intents_store import IntentStore
from tallystick.agents.policy.nouns import LinkKind
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable, VerificationFailed

_NO_HASH: Final = bytes(32)
_CLOCKS_APART_S: Final = 60  # an agent's clock may be ahead of the chain's by so much


@dataclass(frozen=True)
class Reason:
    """What a link or an authorization was for.

    seq     the link; 0 for an authorization, which lies at `place`
    policy  digest of the policy that was in force; None where it could not be read
    """

    seq: int
    place: Place
    hash: bytes
    record: SignedIntent
    policy: bytes | None = None

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON members, with the whole record."""
        return {
            "block": self.place[0],
            "intent_hash": self.hash.hex(),
            "policy_in_force": self.policy and self.policy.hex(),
            "record": self.record.intent.to_dict(),
            "seq": self.seq,
        }


@dataclass
class Records:
    """The records that an auditor was given: a store that is asked by hash, and a list that is looked through."""

    store: IntentStore | None
    listed: Mapping[bytes, SignedIntent]
    used: set[bytes] = field(default_factory=set)

    @classmethod
    def of(cls, store: IntentStore | None, records: Sequence[SignedIntent]) -> Records:
        """Return the records of a store and a list."""
        return cls(store, {one.intent.hash(): one for one in records})

    def find(self, intent_hash: bytes) -> SignedIntent | None:
        """Return the record with this hash, None where nobody has it.

        raises  VerificationFailed, InvalidInput where there is one and it is not what its name says
        """
        if intent_hash in self.listed:
            return self.listed[intent_hash]
        store = self.store
        return _known(lambda: store.find(intent_hash)) if store else None

    def find_for(self, token: str, nonce: bytes) -> SignedIntent | None:
        """Return the record that was kept for an authorization; None where none was. Raises as `find`."""
        store = self.store
        return _known(lambda: store.find_for(token, nonce)) if store else None


def _known(find: Callable[[], SignedIntent]) -> SignedIntent | None:
    try:
        return find()
    except Unavailable as error:
        if error.code != "intent.unknown":
            raise
        return None


def join_records(
    evidence: Evidence, movements: Sequence[Movement], records: Records, policies: Mapping[Place, bytes]
) -> tuple[tuple[Reason, ...], tuple[Finding, ...]]:
    """Return what every act was for, and what does not fit."""
    reasons: list[Reason] = []
    findings: list[Finding] = []
    payees = _payees(movements)
    done: dict[bytes, int] = {}
    for link in evidence.links:
        if link.kind not in ACTS or link.kind is LinkKind.DELEGATION:
            continue
        record, faults = _of_link(evidence, link, records, payees)
        findings += faults
        if record is not None:
            intent_hash = link.event.intent_hash
            records.used.add(intent_hash)
            if link.event.result and intent_hash in done:
                words = f"links {done[intent_hash]} and {link.event.seq} were both done for one record"
                findings.append(_finding("twice", words, link))
            if link.event.result:
                done[intent_hash] = link.event.seq
            reasons.append(Reason(link.event.seq, link.place, intent_hash, record, policies.get(link.place)))
    for one in _signed_payments(evidence, movements):
        matched, code = _of_payment(evidence, one, records)
        if matched is None:
            findings.append(_unexplained(one, code))
        else:
            records.used.add(matched[0])
            place = next((link.place for link in evidence.links if one.seq == link.event.seq), one.place)
            reasons.append(Reason(one.seq, place, *matched, policies.get(place)))
    findings += _orphans(evidence, records)
    findings += [_other_policy(one) for one in reasons if one.policy not in (None, one.record.intent.policy)]
    return tuple(sorted(reasons, key=lambda one: one.place)), tuple(findings)


def _payees(movements: Sequence[Movement]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for one in movements:
        if one.is_out and one.tie is Tie.LINK:
            found.setdefault(one.seq, set()).add(one.party)
    return found


def _of_link(
    evidence: Evidence, link: Link, records: Records, payees: Mapping[int, set[str]]
) -> tuple[SignedIntent | None, tuple[Finding, ...]]:
    event = link.event
    if event.intent_hash == _NO_HASH:
        return None, (_finding("unstated", f"link {event.seq} names no record", link),)
    try:
        record = records.find(event.intent_hash)
    except (VerificationFailed, InvalidInput) as error:
        return None, (_finding("damaged", f"the record of link {event.seq} is not what it was: {error}", link),)
    if record is None:
        words = f"nobody has the record {event.intent_hash.hex()[:8]}… of link {event.seq}"
        return None, (_finding("missing", words, link),)
    amount = event.amount if event.result else None
    act = Act(evidence.account, evidence.chain_id, event.session, event.intent_hash, event.token, amount)
    faults = [
        _finding("contradicts", f"the record of link {event.seq}: {one.name}, {one.expected} ≠ {one.got}", link)
        for one in check_signed(record, act).failures
    ]
    payment, paid = record.intent.payment, payees.get(event.seq, set())
    if event.result and payment is not None and event.amount and not _is_payee(payment, link, paid):
        words = f"the record of link {event.seq} speaks of {payment.payee}, and {', '.join(sorted(paid))} was paid"
        faults.append(_finding("contradicts", words, link))
    if record.intent.created_at > link.at + _CLOCKS_APART_S:
        faults.append(_finding("late", f"the record of link {event.seq} was written after it", link))
    return record, tuple(faults)


def _is_payee(payment: Payment, link: Link, paid: set[str]) -> bool:
    return not paid or paid == {payment.payee} or (link.event.target == payment.payee and payment.payee in paid)


def _signed_payments(evidence: Evidence, movements: Sequence[Movement]) -> Iterator[Movement]:
    """Yield the payments that carry no record's hash: by authorizations, and by delegations, whose digest is theirs."""
    digests = {link.event.seq: link.event.intent_hash for link in evidence.links if link.kind is LinkKind.DELEGATION}
    for one in movements:
        if one.tie is Tie.AUTHORIZATION and one.session:
            yield one
        elif one.tie is Tie.LINK and one.is_out and one.seq in digests:
            yield replace(one, nonce=digests[one.seq])


def _of_payment(evidence: Evidence, one: Movement, records: Records) -> tuple[tuple[bytes, SignedIntent] | None, str]:
    """Return the record of a payment with its hash, or None and what is wrong."""
    try:
        kept = records.find_for(one.token, one.nonce)
    except (VerificationFailed, InvalidInput):
        return None, "damaged"
    if kept is not None:
        return ((kept.intent.hash(), kept), "") if _fits(evidence, one, kept) else (None, "contradicts")
    for intent_hash, record in records.listed.items():
        if intent_hash not in records.used and _fits(evidence, one, record):
            return (intent_hash, record), ""
    return None, "missing"


def _fits(evidence: Evidence, one: Movement, record: SignedIntent) -> bool:
    intent, paid = record.intent, record.intent.payment
    is_ours = (intent.account, intent.chain_id, intent.session) == (evidence.account, evidence.chain_id, one.session)
    if paid is None or not is_ours or (paid.payee, paid.token) != (one.party, one.token):
        return False
    is_enough = paid.amount == one.amount or (one.tie is Tie.LINK and paid.amount > one.amount)  # a delegation's most
    return is_enough and intent.created_at <= one.at + _CLOCKS_APART_S and _is_signed(record)


def _unexplained(one: Movement, code: str) -> Finding:
    why = "its record speaks of something else" if code == "contradicts" else "no record says what for"
    words = f"{one.session} paid {one.amount} of {one.token} to {one.party}, and {why}"
    return Finding(Area.INTENTS, f"intents.{code}", words, one.seq, one.transaction)


def _is_signed(record: SignedIntent) -> bool:
    try:
        return record.signer() == record.intent.session
    except TallystickError:
        return False


def _orphans(evidence: Evidence, records: Records) -> Iterator[Finding]:
    asked = {event.item.intent_hash for _, event in evidence.events if hasattr(event, "item")}
    for intent_hash, record in records.listed.items():
        if intent_hash not in records.used and intent_hash not in asked:
            words = f"record {intent_hash.hex()[:8]}… ({record.intent.purpose!a}) led to nothing on chain"
            yield Finding(Area.INTENTS, "intents.orphan", words, is_gap=False)


def _other_policy(reason: Reason) -> Finding:
    which = f"link {reason.seq}" if reason.seq else f"the authorization in block {reason.place[0]}"
    words = f"the record of {which} knows another policy than the one in force then"
    return Finding(Area.INTENTS, "intents.policy", words, reason.seq, is_gap=False)


def _finding(code: str, words: str, link: Link) -> Finding:
    return Finding(Area.INTENTS, f"intents.{code}", words, link.event.seq, link.transaction)
