"""Findings about keys and delays: who may decide, who can stop what, how long power waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tallystick.agents.policy.document import Policy
from tallystick.agents.policy.durations import format_duration
from tallystick.agents.policy.findings import Finding, danger, note, refused, warning
from tallystick.agents.policy.nouns import NOBODY, Level

HOLDERS_MAX: Final = 8  # guardians, and approvers, as the contract counts them
RAISE_DELAY_S_MIN: Final = 3_600  # as the contract demands
_DAY_S: Final = 86_400


def role_findings(policy: Policy) -> Iterator[Finding]:
    """Yield what is wrong with roles and keys."""
    yield from _two_roles(policy)
    for name, keys in (("guardians", policy.guardians), ("approvers", policy.approvers)):
        if len(keys) > HOLDERS_MAX:
            yield refused("roles.too_many", f"roles.{name}", f"{len(keys)} {name}", f"name at most {HOLDERS_MAX}")
    if not policy.guardians:
        yield danger(
            "roles.no_guardian", "roles.guardians", "nobody but the owner can stop the agent",
            "name a guardian whose key lies apart from the owner's and from the agent's host",
        )  # fmt: skip
    elif len(policy.guardians) == 1:
        yield note(
            "roles.one_guardian", "roles.guardians", "one lost key, and only the owner can stop the agent",
            "name a second guardian",
        )  # fmt: skip


def _two_roles(policy: Policy) -> Iterator[Finding]:
    held = [(policy.owner, "account.owner")]
    held += [(key, "roles.guardians") for key in policy.guardians]
    held += [(key, "roles.approvers") for key in policy.approvers]
    held += [(one.key, f"sessions.{one.name}") for one in policy.sessions]
    first: dict[str, str] = {NOBODY: "no key at all", **({policy.account: "the account"} if policy.account else {})}
    for key, place in held:
        if key in first:
            yield refused(
                "roles.two_roles", place, f"{key} is {first[key]} too",
                "give every role a key of its own",
            )  # fmt: skip
        first.setdefault(key, place)


def terms_findings(policy: Policy) -> Iterator[Finding]:
    """Yield what is wrong with the delays."""
    delay_s = policy.terms.raise_delay_s
    if delay_s < RAISE_DELAY_S_MIN:
        yield refused(
            "terms.delay_too_short", "terms.raise_delay", f"raises would wait {format_duration(delay_s)}",
            "let them wait an hour at least",
        )  # fmt: skip
    elif delay_s < _DAY_S:
        yield warning(
            "terms.short_delay", "terms.raise_delay",
            f"who steals the owner's key has more power after {format_duration(delay_s)}",
            "let raises wait longer than it takes a guardian to notice: a day",
        )  # fmt: skip


def queue_findings(policy: Policy) -> Iterator[Finding]:
    """Yield what is wrong with approvals."""
    queue, approvers = policy.queue, len(policy.approvers)
    can_approve = 0 < queue.threshold <= approvers
    if queue.threshold > approvers:
        yield warning(
            "queue.threshold_too_high", "queue.threshold", f"{queue.threshold} approvals, {approvers} approvers",
            "no item ever passes: lower the threshold or name approvers",
        )  # fmt: skip
    if approvers and not queue.threshold:
        yield warning(
            "queue.threshold_zero", "queue.threshold", "there are approvers and a threshold of 0: none can approve",
            "set the threshold to how many must agree",
        )  # fmt: skip
    if queue.open_max and not can_approve and not queue.veto_s:
        yield warning(
            "queue.never_passes", "queue", "sessions may propose and nothing that they propose can ever run",
            "name approvers with a threshold, or a veto_delay for supervised sessions",
        )  # fmt: skip
    if can_approve and not queue.delay_s:
        yield warning(
            "queue.no_delay", "queue.delay", "what approvers let pass runs at once, past guardians",
            "let approved items wait long enough for a veto: an hour",
        )  # fmt: skip
    if queue.veto_s and queue.veto_s < RAISE_DELAY_S_MIN and _has(policy, Level.SUPERVISED):
        yield danger(
            "queue.short_veto", "queue.veto_delay", "what a supervised session proposes runs before anybody reads it",
            "let it wait an hour at least",
        )  # fmt: skip
    if (queue.threshold or queue.veto_s) and not queue.open_max:
        yield warning(
            "queue.closed", "queue.open", "no session may have an open item, so nothing can be proposed",
            "allow a few open items, like 5",
        )  # fmt: skip
    yield from _proposers(policy)


def _proposers(policy: Policy) -> Iterator[Finding]:
    for session in policy.sessions:
        if session.level is Level.PROPOSE and not policy.queue.open_max:
            yield warning(
                "queue.no_way", f"sessions.{session.name}", "it may only propose, and the queue takes nothing",
                "open the queue, or give it a level",
            )  # fmt: skip


def _has(policy: Policy, level: Level) -> bool:
    return any(session.level >= level for session in policy.sessions)
