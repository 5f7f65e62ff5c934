"""EIP-3009 authorizations of the account that a token took: they leave no link, but their nonces say whose they are.

A session's nonce is session (160 bits) ‖ period (64) ‖ slot (32); whether it was in its slots is looked at again with
what the session had then. Any other nonce must be one whose digest the owner had approved, which is computed from the
bytes that brought it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tallystick.agents.audit.evidence import Evidence, is_authorization
from tallystick.agents.audit.findings import Area, Finding, Movement, Tie
from tallystick.agents.audit.offices import Office, Offices, is_able
from tallystick.agents.policy.slots import slot_period
from tallystick.chain.bindings.token import AuthorizationUsed
from tallystick.core.authorization import Bringer
from tallystick.core.digest import keccak
from tallystick.core.ids import checksum_address

_WORD: int = 32


def slot_of(nonce: bytes) -> tuple[str, int, int]:
    """Return session, period and slot that a nonce names."""
    return checksum_address(nonce[:20]), int.from_bytes(nonce[20:28], "big"), int.from_bytes(nonce[28:], "big")


def name_sessions(evidence: Evidence, movements: Sequence[Movement]) -> tuple[Movement, ...]:
    """Return the movements, those of authorizations with the session that their nonce names, where it was one."""
    offices = Offices(evidence.events)
    found = []
    for one in movements:
        offices.move_to(one.place)
        session = slot_of(one.nonce)[0] if one.tie is Tie.AUTHORIZATION else ""
        found.append(replace(one, session=session) if session in offices.sessions else one)
    return tuple(found)


def check_authorizations(evidence: Evidence, movements: Sequence[Movement]) -> Iterator[Finding]:
    """Yield the authorizations that no session may have signed, and those that moved nothing."""
    offices = Offices(evidence.events)
    spent: set[tuple[str, bytes]] = set()
    paying = [one for one in movements if one.tie is Tie.AUTHORIZATION]
    for one in paying:
        offices.move_to(one.place)
        session, period, slot = slot_of(one.nonce)
        if (one.token, one.nonce) in spent:
            yield _finding(one, "twice", "an authorization was taken twice: the token does not spend nonces")
        spent.add((one.token, one.nonce))
        if session in offices.sessions:
            yield from _check_slot(one, offices, session, period, slot)
        elif not _is_approved(evidence, offices, one):
            words = f"{one.amount} of {one.token} went to {one.party} by an authorization of no session and no owner"
            yield _finding(one, "foreign", words)
    for log in evidence.logs:
        if is_authorization(log) and log.address in evidence.tokens:
            used = AuthorizationUsed.decode(log)
            if used.authorizer == evidence.account and (log.address, used.nonce) not in spent:
                words = f"{log.address} took an authorization of the account and shows no transfer by it"
                yield Finding(Area.AUTHORIZATIONS, "authorizations.nothing", words, transaction=log.transaction_hash)


def _check_slot(one: Movement, offices: Offices, session: str, period: int, slot: int) -> Iterator[Finding]:
    office = offices.session_at(session, one.at)
    if office is None or not is_able(office):
        yield _finding(one, "office", f"{session} paid by an authorization and had no say then")
        return
    for reason in _faults(one, office, period, slot):
        yield _finding(one, "slot", f"{session} paid by an authorization that is {reason}")
    if not offices.may_be_paid(one.party, one.at):
        yield _finding(one, "payee", f"{session} paid {one.party}, who was not allowed then, by an authorization")


def _faults(one: Movement, office: Office, period: int, slot: int) -> Iterator[str]:
    terms = office.terms
    if not terms.slots or one.token != terms.slot_token:
        yield "not of its slots' token"
        return
    if period != slot_period(slot, terms.slot_period_s, one.at):
        yield "not of the period in which it was taken"
    if slot >= terms.slots:
        yield f"of slot {slot}, beyond its {terms.slots}"
    if one.amount > terms.slot_cap:
        yield f"of {one.amount}, beyond its cap of {terms.slot_cap}"


def _is_approved(evidence: Evidence, offices: Offices, one: Movement) -> bool:
    """Whether the bytes that brought an authorization make a digest that the owner had approved."""
    sent, separator = evidence.transactions.get(one.transaction), evidence.separators.get(one.token, b"")
    if sent is None or len(separator) != _WORD:
        return False
    account, party = (bytes(12) + bytes.fromhex(who[2:]) for who in (evidence.account, one.party))
    head = account + party + one.amount.to_bytes(_WORD, "big")
    at = sent.data.find(head)
    while at >= 0:
        message = sent.data[at : at + 6 * _WORD]
        if message[5 * _WORD :] == one.nonce:
            for bringer in Bringer:
                digest = keccak(b"\x19\x01" + separator + keccak(keccak(bringer.value.encode()) + message))
                if offices.is_approved(digest, one.at):
                    return True
        at = sent.data.find(head, at + 1)
    return False


def _finding(one: Movement, code: str, words: str) -> Finding:
    return Finding(Area.AUTHORIZATIONS, f"authorizations.{code}", words, transaction=one.transaction)
