"""The audit of an account: what its agent did and why, reconstructed from the chain and reconciled to the last unit.

account         `audit_account`: the door; read it first
evidence        everything that the chain has of the account, read once
links           the hash chain, computed again
tokens, coin    every movement, each outflow with the one thing that it belongs to
authorizations  payments that leave no link, by the slots of their sessions
decisions       who was in office, what was asked for, who let it pass
"""

from __future__ import annotations

from tallystick.agents.audit.account import Audit, audit_account, judge
from tallystick.agents.audit.evidence import Evidence, read_evidence
from tallystick.agents.audit.findings import Finding

__all__ = ["Audit", "Evidence", "Finding", "audit_account", "judge", "read_evidence"]
