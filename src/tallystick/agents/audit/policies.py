"""Which policy was in force when: read back from the account as it was at old blocks, once for each change."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from tallystick.agents.audit.evidence import Evidence, place_of
from tallystick.agents.audit.findings import Place
from tallystick.agents.policy.change.live import read_account
from tallystick.chain.bindings import policy_account, policy_queue, policy_rules
from tallystick.chain.node import Node
from tallystick.core.errors import InvalidInput, Rejected, Unavailable

_CHANGES: Final = (
    policy_account.OwnerChanged, policy_account.RoleSet, policy_account.DelaysSet, policy_account.SessionGranted,
    policy_account.SessionRevoked, policy_account.SessionRotated, policy_account.LevelSet, policy_account.BucketSet,
    policy_account.TokenForgotten, policy_account.Frozen, policy_account.EpochBumped, policy_rules.RuleSet,
    policy_rules.PayeeSet, policy_rules.NewcomersSet, policy_queue.QueueTermsSet,
)  # fmt: skip


def policies_at(node: Node, evidence: Evidence, places: Iterable[Place]) -> dict[Place, bytes]:
    """Return the digest of the policy before each place; none where the node has forgotten the state of that time."""
    changes = [place_of(log) for log, event in evidence.events if isinstance(event, _CHANGES)]
    known: dict[Place, bytes | None] = {}
    found: dict[Place, bytes] = {}
    for place in places:
        at = bisect_left(changes, place)
        last = changes[at - 1] if at else (0, 0)
        if last not in known:
            known[last] = _digest(node, evidence, place[0] if last[0] == place[0] else place[0] - 1)
        digest = known[last]
        if digest is not None:
            found[place] = digest
    return found


def _digest(node: Node, evidence: Evidence, block: int) -> bytes | None:
    try:
        return read_account(node, evidence.account, first=evidence.first, at=block).policy.digest()
    except (Unavailable, Rejected, InvalidInput):
        return None
