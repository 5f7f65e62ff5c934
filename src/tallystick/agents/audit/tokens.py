"""Every movement of a token from or to the account, each outflow with the one thing that it belongs to.

A link is logged after the call that it records, so what moved in its course lies between the link before it and itself,
in the same transaction. An authorization and its transfer are logged next to each other by the same token. What is left
over belongs to nothing: the token moved it unasked, or somebody was let to take it outside of the account's links.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tallystick.agents.audit.evidence import Evidence, is_authorization, is_transfer, place_of
from tallystick.agents.audit.findings import ACTS, Area, Finding, Link, Movement, Place, Sheet, Tie
from tallystick.agents.audit.strangers import told_of_tokens
from tallystick.agents.policy.nouns import LinkKind
from tallystick.chain.bindings.token import AuthorizationUsed, Transfer
from tallystick.chain.calls import Log


@dataclass(frozen=True)
class _Moved:
    """A movement, or one of what it may belong to, at its place in a transaction."""

    log: Log
    link: Link | None = None
    movement: Movement | None = None


def token_movements(evidence: Evidence) -> tuple[Movement, ...]:
    """Return what moved of the account's tokens, in chain order."""
    used = _pairs(evidence)
    by_transaction: dict[bytes, list[_Moved]] = defaultdict(list)
    links = {link.place: link for link in evidence.links}
    for log in evidence.logs:
        link = links.get(place_of(log))
        if link is not None and link.moves:
            by_transaction[log.transaction_hash].append(_Moved(log, link=link))
        elif log.address in evidence.tokens and is_transfer(log):
            movements = (_movement(evidence, log, used.get(place_of(log)), is_out) for is_out in _ways(evidence, log))
            by_transaction[log.transaction_hash] += [_Moved(log, movement=one) for one in movements]
    found = [one for rows in by_transaction.values() for one in _tied(rows)]
    return tuple(sorted(found, key=lambda one: (one.place, one.is_out)))


def token_sheets(evidence: Evidence, movements: Sequence[Movement]) -> tuple[Sheet, ...]:
    """Return each token's account."""
    sums: dict[tuple[str, bool], int] = defaultdict(int)
    for one in movements:
        sums[one.token, one.is_out] += one.amount
    return tuple(
        Sheet(
            token, evidence.balances[token][evidence.opening_block], sums[token, False], sums[token, True],
            evidence.balances[token][evidence.last],
        )
        for token in evidence.tokens
    )  # fmt: skip


def check_tokens(evidence: Evidence, movements: Sequence[Movement], sheets: Sequence[Sheet]) -> Iterator[Finding]:
    """Yield what moved and belongs to nothing, links that moved otherwise than they say, balances that moved without a
    movement; and what is no gap: allowances that are left, and tokens of which nobody asked for an account."""
    for one in movements:
        if one.is_out and one.tie is Tie.NONE and one.amount:
            words = f"{one.amount} of {one.token} went to {one.party}, and no link or authorization says why"
            yield Finding(Area.TOKENS, "tokens.unrecorded", words, transaction=one.transaction)
    by_link: dict[int, list[Movement]] = defaultdict(list)
    for one in movements:
        if one.tie is Tie.LINK:
            by_link[one.seq].append(one)
    for link in evidence.links:
        if link.moves and link.kind is not LinkKind.OWNER_CALL:
            yield from _check_link(link, by_link[link.event.seq], evidence.tokens)
    for sheet in sheets:
        yield from _check_silence(evidence, sheet, [one for one in movements if one.token == sheet.token])
    yield from told_of_tokens(evidence, movements)


def _check_silence(evidence: Evidence, sheet: Sheet, moved: Sequence[Movement]) -> Iterator[Finding]:
    """Yield what a balance did by itself, at every block in which the token moved: two silent moves hide none."""
    moves: dict[int, int] = defaultdict(int)
    for one in moved:
        moves[one.place[0]] += -one.amount if one.is_out else one.amount
    silent: list[tuple[int, int]] = []
    (_, running), *rest = sorted(evidence.balances[sheet.token].items())
    for block, balance in rest:
        running += moves[block]
        if balance != running:
            silent.append((block, balance - running))
        running = balance
    if silent:
        block, change = silent[0]
        times = f", the first of {len(silent)} times" if len(silent) > 1 else ""
        words = f"the balance of {sheet.token} changed by {change:+d} up to block {block} without a transfer{times}"
        yield Finding(Area.TOKENS, "tokens.silent", words)


def _check_link(link: Link, moved: Sequence[Movement], tokens: Sequence[str]) -> Iterator[Finding]:
    event = link.event
    for token in tokens:
        net = sum(one.amount if one.is_out else -one.amount for one in moved if one.token == token)
        said = event.amount if event.token == token else 0
        if net > said:
            words = f"link {event.seq} says that {said} of {token} went out, and {net} did"
            yield Finding(Area.TOKENS, "tokens.more", words, event.seq, link.transaction)
        elif said and net < said:
            words = f"link {event.seq} took {said} of {token} from the budget, and {net} went out"
            yield Finding(Area.TOKENS, "tokens.less", words, event.seq, link.transaction, is_gap=False)


def _pairs(evidence: Evidence) -> dict[Place, AuthorizationUsed]:
    """Return by the place of a transfer the authorization that made it; a token logs the two next to each other."""
    rows: dict[tuple[bytes, str], list[Log]] = defaultdict(list)
    for log in evidence.logs:
        is_mine = log.address in evidence.tokens and len(log.topics) > 1 and log.topics[1] == evidence.word
        if is_mine and (is_transfer(log) or is_authorization(log)):
            rows[log.transaction_hash, log.address].append(log)
    by_token: dict[str, list[list[Log]]] = defaultdict(list)
    for (_, token), logs in rows.items():
        by_token[token].append(logs)
    step = {token: _step(groups) for token, groups in by_token.items()}
    found: dict[Place, AuthorizationUsed] = {}
    for (_, token), logs in rows.items():
        for at, log in enumerate(logs):
            if not is_authorization(log):
                continue
            near = [logs[to] for to in (at + step[token], at - step[token]) if 0 <= to < len(logs)]
            mine = next((one for one in near if is_transfer(one) and place_of(one) not in found), None)
            if mine is not None:
                found[place_of(mine)] = AuthorizationUsed.decode(log)
    return found


def _step(rows: Sequence[Sequence[Log]]) -> int:
    """Return on which side of an authorization a token logs its transfer: 1, behind it; -1, before it."""
    sides = {1: 0, -1: 0}
    for logs in rows:
        for one, two in pairwise(logs):
            if two.log_index == one.log_index + 1 and is_transfer(one) != is_transfer(two):
                sides[1 if is_transfer(two) else -1] += 1
    return 1 if sides[1] >= sides[-1] else -1


def _ways(evidence: Evidence, log: Log) -> Iterator[bool]:
    if log.topics[2] == evidence.word:
        yield False
    if log.topics[1] == evidence.word:
        yield True


def _movement(evidence: Evidence, log: Log, used: AuthorizationUsed | None, is_out: bool) -> Movement:
    transfer = Transfer.decode(log)
    plain = Movement(
        token=log.address,
        amount=transfer.amount,
        is_out=is_out,
        party=transfer.receiver if is_out else transfer.sender,
        place=place_of(log),
        transaction=log.transaction_hash,
        at=evidence.times[log.block_number],
        tie=Tie.NONE if is_out else Tie.RECEIVED,
    )
    return replace(plain, tie=Tie.AUTHORIZATION, nonce=used.nonce) if used and is_out else plain


def _tied(rows: Sequence[_Moved]) -> Iterator[Movement]:
    """Yield the movements of one transaction, tied to the links among them."""
    waiting: list[Movement] = []
    for row in rows:
        if row.movement is not None:
            waiting.append(row.movement)
        elif row.link is not None:
            yield from _tied_to(row.link, waiting)
            waiting = []
    yield from waiting


def _tied_to(link: Link, waiting: Sequence[Movement]) -> Iterator[Movement]:
    """Yield what moved before a link, its own tied to it: what lies farthest ahead is left out until the rest fits."""
    event = link.event
    mine = [one for one in waiting if one.tie is not Tie.AUTHORIZATION]
    if link.kind is not LinkKind.OWNER_CALL:
        for token in {one.token for one in mine}:
            said = event.amount if event.token == token else 0
            mine = _fitting(mine, token, said)
    chosen = {id(one) for one in mine}
    for one in waiting:
        if id(one) in chosen:
            yield replace(one, tie=Tie.LINK, seq=event.seq, session=event.session if event.kind in ACTS else "")
        else:
            yield one


def _fitting(movements: list[Movement], token: str, said: int) -> list[Movement]:
    kept = list(movements)
    outs = [one for one in kept if one.token == token and one.is_out]
    while outs and sum(one.amount if one.is_out else -one.amount for one in kept if one.token == token) > said:
        kept.remove(outs.pop(0))
    return kept
