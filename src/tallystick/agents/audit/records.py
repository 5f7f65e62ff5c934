"""Each act joined to the signed record of what it was for; what is missing, contradicts, or led to nothing is named.

A link carries its record's hash. An authorization carries none, and a delegation its own digest: their record was kept
for nonce or digest, or is one of a list with the same session, payee, token and amount, written before. Each record is
for one thing that was done. Records of other accounts are no business of this one, and say nothing about it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tallystick.agents.audit.evidence import DEPOSITS, Evidence
from tallystick.agents.audit.findings import ACTS, Area, Finding, Link, Movement, Place, Tie
from tallystick.agents.intents import Payment
from tallystick.agents.intents_signed import Act, SignedIntent, check_signed
from tallystick.agents.intents_store import IntentStore
from tallystick.agents.policy.nouns import LinkKind
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.core.ids import checksum_address

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
    """The records that an auditor was given: a store that is asked by hash, and a list that is looked through.

    done  by a record's hash: where what was done for it lies, and what it was
    seen  what belongs to something on chain
    """

    store: IntentStore | None
    listed: Mapping[bytes, SignedIntent]
    done: dict[bytes, tuple[Place, str]] = field(default_factory=dict)
    seen: set[bytes] = field(default_factory=set)

    @classmethod
    def of(cls, store: IntentStore | None, records: Sequence[SignedIntent]) -> Records:
        """Return the records of a store and a list; of two signatures of one record the one of its session counts."""
        listed: dict[bytes, SignedIntent] = {}
        for one in records:
            intent_hash = one.intent.hash()
            if intent_hash not in listed or not _is_signed(listed[intent_hash]):
                listed[intent_hash] = one
        return cls(store, listed)

    def find(self, intent_hash: bytes) -> SignedIntent | None:
        """Return the record with this hash, None where nobody has it.

        raises  VerificationFailed, InvalidInput where there is one and it is not what its name says
        """
        listed, store = self.listed.get(intent_hash), self.store
        if listed is not None and (store is None or _is_signed(listed)):
            return listed
        return (_known(lambda: store.find(intent_hash)) if store else None) or listed

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
    places = {link.event.seq: link.place for link in evidence.links}
    for link in evidence.links:
        if link.kind not in ACTS or link.kind is LinkKind.DELEGATION:
            continue
        record, faults = _of_link(evidence, link, records, payees)
        findings += faults
        if record is not None:
            intent_hash = link.event.intent_hash
            if link.event.result:
                findings += _check_once(records, intent_hash, link.place, link.event.seq)
            records.seen.add(intent_hash)
            reasons.append(Reason(link.event.seq, link.place, intent_hash, record, policies.get(link.place)))
    listed = _Listed(evidence, records)
    for one in _signed_payments(evidence, movements):
        matched, code = _of_payment(evidence, one, records, listed)
        if matched is None:
            findings.append(_unexplained(one, code))
            continue
        place = places.get(one.seq, one.place)
        findings += _check_once(records, matched[0], place, one.seq)
        reasons.append(Reason(one.seq, place, *matched, policies.get(place)))
    findings += _orphans(evidence, records)
    findings += [_other_policy(one) for one in reasons if one.policy not in (None, one.record.intent.policy)]
    return tuple(sorted(reasons, key=lambda one: one.place)), tuple(findings)


def _check_once(records: Records, intent_hash: bytes, place: Place, seq: int) -> Iterator[Finding]:
    """Yield a finding where something was done for the record before; remember that this was."""
    name = f"link {seq}" if seq else f"the authorization in block {place[0]}"
    records.seen.add(intent_hash)
    before, other = records.done.setdefault(intent_hash, (place, name))
    if before != place:
        yield Finding(Area.INTENTS, "intents.twice", f"{other} and {name} were both done for one record", seq)


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
    is_meant = payment is None or _is_payee(payment, link, paid, evidence)
    if event.result and payment is not None and event.amount and not is_meant:
        words = f"the record of link {event.seq} speaks of {payment.payee}, and {', '.join(sorted(paid))} was paid"
        faults.append(_finding("contradicts", words, link))
    if record.intent.created_at > link.at + _CLOCKS_APART_S:
        faults.append(_finding("late", f"the record of link {event.seq} was written after it", link))
    return record, tuple(faults)


def _is_payee(payment: Payment, link: Link, paid: set[str], evidence: Evidence) -> bool:
    """Whether the payee was paid, and nobody else but by who was called: a shop itself, or a token that takes a fee.

    What went to a contract of channels is for the payee that the contract names.
    """
    if not paid or paid == {payment.payee}:
        return True
    if paid == {link.event.target}:
        return payment.payee in _deposited_for(evidence, link)
    return payment.payee in paid and link.event.target in (payment.payee, payment.token)


def _deposited_for(evidence: Evidence, link: Link) -> set[str]:
    """Return the payees for whom the contract that was called says, in that transaction, that it holds a deposit."""
    return {
        checksum_address(log.topics[3][12:])
        for log in evidence.logs
        if log.topics[0] in DEPOSITS
        and (log.transaction_hash, log.address) == (link.transaction, link.event.target)
        and len(log.topics) == 4
    }


def _signed_payments(evidence: Evidence, movements: Sequence[Movement]) -> Iterator[Movement]:
    """Yield the payments that carry no record's hash: by authorizations, then by delegations, whose digest is theirs.

    A delegation's record may speak of more than was paid: it comes last, and takes none that an exact payment needs.
    """
    digests = {link.event.seq: link.event.intent_hash for link in evidence.links if link.kind is LinkKind.DELEGATION}
    yield from (one for one in movements if one.tie is Tie.AUTHORIZATION and one.session)
    paid: dict[int, Movement] = {}
    for one in movements:
        if one.tie is Tie.LINK and one.is_out and one.seq in digests:
            before = paid.setdefault(one.seq, one)
            paid[one.seq] = max(before, one, key=lambda moved: moved.amount)  # the rest is what the token takes
    yield from (replace(one, nonce=digests[seq]) for seq, one in paid.items())


class _Listed:
    """The list by what records speak of, so that each payment looks at few."""

    def __init__(self, evidence: Evidence, records: Records) -> None:
        self._found: dict[tuple[str, str, str], list[tuple[bytes, SignedIntent]]] = defaultdict(list)
        for intent_hash, record in records.listed.items():
            paid = record.intent.payment
            if paid is not None and _is_ours(evidence, record):
                self._found[record.intent.session, paid.payee, paid.token].append((intent_hash, record))
        for rows in self._found.values():
            rows.sort(key=lambda one: one[1].intent.payment.amount if one[1].intent.payment else 0)

    def of(self, one: Movement) -> list[tuple[bytes, SignedIntent]]:
        """Return the records that may be a payment's, the smallest amount first."""
        return self._found[one.session, one.party, one.token]


def _of_payment(
    evidence: Evidence, one: Movement, records: Records, listed: _Listed
) -> tuple[tuple[bytes, SignedIntent] | None, str]:
    """Return the record of a payment with its hash, or None and what is wrong."""
    try:
        kept = records.find_for(one.token, one.nonce)
    except (VerificationFailed, InvalidInput):
        return None, "damaged"
    if kept is not None:
        return ((kept.intent.hash(), kept), "") if _fits(evidence, one, kept) else (None, "contradicts")
    for intent_hash, record in listed.of(one):
        if intent_hash not in records.seen and _fits(evidence, one, record):
            return (intent_hash, record), ""
    return None, "missing"


def _is_ours(evidence: Evidence, record: SignedIntent) -> bool:
    return (record.intent.account, record.intent.chain_id) == (evidence.account, evidence.chain_id)


def _fits(evidence: Evidence, one: Movement, record: SignedIntent) -> bool:
    intent, paid = record.intent, record.intent.payment
    if paid is None or not _is_ours(evidence, record) or intent.session != one.session:
        return False
    if (paid.payee, paid.token) != (one.party, one.token):
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
        if intent_hash not in records.seen and intent_hash not in asked and _is_ours(evidence, record):
            words = f"record {intent_hash.hex()[:8]}… ({record.intent.purpose!a}) led to nothing on chain"
            yield Finding(Area.INTENTS, "intents.orphan", words, is_gap=False)


def _other_policy(reason: Reason) -> Finding:
    which = f"link {reason.seq}" if reason.seq else f"the authorization in block {reason.place[0]}"
    words = f"the record of {which} knows another policy than the one in force then"
    return Finding(Area.INTENTS, "intents.policy", words, reason.seq, is_gap=False)


def _finding(code: str, words: str, link: Link) -> Finding:
    return Finding(Area.INTENTS, f"intents.{code}", words, link.event.seq, link.transaction)
