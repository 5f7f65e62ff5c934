"""The audit of one account: everything that it did and why, from the chain alone, and whether it adds up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tallystick.agents.audit.authorizations import check_authorizations, name_sessions
from tallystick.agents.audit.code import check_code
from tallystick.agents.audit.coin import Deposit, check_coin, check_deposit, coin_movements, follow_deposit
from tallystick.agents.audit.decisions import Item, check_offices, read_items
from tallystick.agents.audit.evidence import Evidence, read_evidence
from tallystick.agents.audit.findings import ACTS, Area, Finding, Link, Movement, Place, Sheet, Tie
from tallystick.agents.audit.links import check_links
from tallystick.agents.audit.policies import policies_at
from tallystick.agents.audit.proving import check_node
from tallystick.agents.audit.records import Reason, Records, join_records
from tallystick.agents.audit.timeline import Entry, Names, names_of, timeline
from tallystick.agents.audit.tokens import check_tokens, token_movements, token_sheets
from tallystick.agents.intents_signed import SignedIntent
from tallystick.agents.intents_store import IntentStore
from tallystick.agents.policy.document import Policy
from tallystick.chain.bindings.policy_account import ActionLogged
from tallystick.chain.calls import BlockId
from tallystick.chain.node import Node
from tallystick.core.checks import Check, Report


@dataclass(frozen=True)
class Audit:
    """What an account did, what of it belongs to what, and what does not fit.

    links      the audit chain
    movements  everything that came in and went out, in chain order
    sheets     each token's account, the native coin's first
    deposit    what the EntryPoint keeps; None where it keeps nothing
    reasons    the records of what its acts were for
    timeline   what happened, line by line, for people
    findings   all that does not fit: gaps, and what is only worth knowing
    """

    account: str
    chain_id: int
    first: int
    last: int
    block_hash: bytes
    links: tuple[Link, ...]
    movements: tuple[Movement, ...]
    sheets: tuple[Sheet, ...]
    deposit: Deposit | None
    items: tuple[Item, ...]
    reasons: tuple[Reason, ...]
    timeline: tuple[Entry, ...]
    names: Names
    findings: tuple[Finding, ...]
    report: Report

    @property
    def gaps(self) -> tuple[Finding, ...]:
        """What unbalances the account."""
        return tuple(one for one in self.findings if one.is_gap)

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """What is worth knowing and no gap."""
        return tuple(one for one in self.findings if not one.is_gap)

    @property
    def is_balanced(self) -> bool:
        """Whether all that was done is there, and everything that moved belongs to one thing that was done."""
        return not self.gaps

    def totals(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return what went out in all, by token: per session ("" for owner and others) and per counterparty."""
        found: dict[str, dict[str, dict[str, int]]] = {"sessions": {}, "counterparties": {}}
        for one in self.movements:
            if one.is_out:
                for name, key in (("sessions", one.session), ("counterparties", one.party)):
                    sums = found[name].setdefault(key, defaultdict(int))
                    sums[one.token] += one.amount
        return {name: {key: dict(sums) for key, sums in rows.items()} for name, rows in found.items()}

    def to_dict(self) -> dict[str, object]:
        """Return the whole audit as JSON members, amounts in decimal."""
        totals = {
            name: {key: {token: str(amount) for token, amount in sums.items()} for key, sums in rows.items()}
            for name, rows in self.totals().items()
        }
        return {
            "account": self.account,
            "balanced": self.is_balanced,
            "block_hash": self.block_hash.hex(),
            "chain_id": self.chain_id,
            "checks": [one.to_dict() for one in self.report.checks],
            "deposit": self.deposit and self.deposit.to_dict(),
            "first": self.first,
            "gaps": [one.to_dict() for one in self.gaps],
            "items": [one.to_dict() for one in self.items],
            "last": self.last,
            "links": [one.to_dict() for one in self.links],
            "movements": [one.to_dict() for one in self.movements],
            "reasons": [one.to_dict() for one in self.reasons],
            "remarks": [one.to_dict() for one in self.remarks],
            "timeline": [one.to_dict() for one in self.timeline],
            "tokens": [one.to_dict() for one in self.sheets],
            "totals": totals,
        }


def audit_account(
    node: Node,
    account: str,
    *,
    intents: IntentStore | None = None,
    records: Sequence[SignedIntent] = (),
    first: int | None = None,
    last: BlockId = "latest",
    tokens: Sequence[str] = (),
    is_proven: bool = False,
    policy: Policy | None = None,
) -> Audit:
    """Reconstruct everything that an account did up to a block and why, and name what does not add up.

    intents    where the records of its acts are kept; with neither these nor `records`, reasons are not looked at
    records    a list of all of them: authorizations name no record, and are matched with these only
    first      the block of the account's creation, or any before; looked for where it is not given
    last       a block by number, tag or hash; to trust nobody, give a hash that you trust and `is_proven`
    tokens     more to account for, beside those that were ever budgeted or in a link
    is_proven  recompute every header and receipt that may matter, so that the node can hide nothing
    policy     whose names and decimals people are told; nothing is decided by it
    raises     what `Node` raises; InvalidInput "chain.no_contract" where there is no account
    """
    evidence = read_evidence(node, account, first=first, last=last, tokens=tokens)
    said = tuple(check_node(node, evidence)) if is_proven else None
    if intents is None and not records:
        return judge(evidence, said=said, policy=policy)
    places = [link.place for link in evidence.links if link.kind in ACTS]
    places += [one.place for one in token_movements(evidence) if one.tie is Tie.AUTHORIZATION]
    return judge(evidence, Records.of(intents, records), policies_at(node, evidence, sorted(places)), said, policy)


def judge(
    evidence: Evidence,
    records: Records | None = None,
    policies: Mapping[Place, bytes] | None = None,
    said: Sequence[Finding] | None = None,
    policy: Policy | None = None,
) -> Audit:
    """Return the audit of evidence; no node is asked.

    policies  digest of the policy in force, by the place of an act
    said      what a proof found the node to have said wrongly; None where nothing was proven
    """
    links = evidence.links
    moved = name_sessions(evidence, token_movements(evidence))
    sheets = token_sheets(evidence, moved)
    deposit = follow_deposit(evidence)
    coin, coin_sheet = coin_movements(evidence, deposit)
    items, item_findings = read_items(evidence)
    movements = tuple(sorted((*moved, *coin), key=lambda one: one.place))
    reasons, reason_findings = join_records(evidence, movements, records, policies or {}) if records else ((), ())
    findings = (
        *(said or ()),
        *check_code(evidence),
        *_strangers(evidence),
        *check_links(links, evidence.count, evidence.head),
        *check_offices(evidence),
        *item_findings,
        *check_tokens(evidence, moved, sheets),
        *check_coin(coin),
        *check_deposit(deposit),
        *check_authorizations(evidence, moved),
        *reason_findings,
    )
    counts = {
        Area.NODE: f"every header, receipt and balance from block {evidence.first} on hashed to the last block's hash",
        Area.CODE: "a clone of this release's PolicyAccount with its four companions: events mean what they say",
        Area.LINKS: f"{len(links)} links, each hashed again from the one before, up to the account's head",
        Area.OFFICES: "every act is of a session that had a say then",
        Area.ITEMS: f"{len(items)} items, each run as it was proposed and approved",
        Area.TOKENS: f"{len(moved)} movements of {len(sheets)} tokens, each outflow with what it belongs to",
        Area.COIN: f"{len(coin)} movements of the native coin, at every block with an event",
        Area.DEPOSIT: "what the EntryPoint keeps is what its events make it" if deposit else "no EntryPoint here",
        Area.AUTHORIZATIONS: "each authorization in a slot of its session, or approved by the owner",
        Area.INTENTS: f"{len(reasons)} acts, each with the signed record of what it was for",
    }
    skipped = {Area.NODE} if said is None else set()
    skipped |= {Area.INTENTS} if records is None else set()
    report = Report.of(_checks({area: text for area, text in counts.items() if area not in skipped}, findings))
    names = names_of(evidence, policy)
    return Audit(
        evidence.account, evidence.chain_id, evidence.first, evidence.last, evidence.block_hash, links, movements,
        (coin_sheet, *sheets), deposit, items, reasons,
        timeline(evidence, movements, names), names, findings, report,
    )  # fmt: skip


def _strangers(evidence: Evidence) -> Iterator[Finding]:
    for log in evidence.logs:
        if log.topics[0] == ActionLogged.topic and log.address != evidence.account:
            words = f"a link that {log.address} logged, which is another contract"
            yield Finding(Area.LINKS, "links.foreign", words, transaction=log.transaction_hash)


def _checks(counts: dict[Area, str], findings: Sequence[Finding]) -> Iterator[Check]:
    """Yield a check for each area in turn that is whole, and one for each gap of those that are not."""
    for area, words in counts.items():
        gaps = [one for one in findings if one.is_gap and one.area is area]
        if not gaps:
            yield Check(area.value, True, words)
        for gap in gaps:
            yield Check(area.value, False, f"{gap.code}: {gap.words}")
