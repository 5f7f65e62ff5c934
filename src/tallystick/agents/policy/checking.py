"""What is wrong with a policy: all that a contract would refuse, all that is dangerous, all that is hardly meant.

A policy can be well formed (reading.py says so) and still foolish. `check_policy` looks at the whole and never stops at
the first fault. The parts are in `checks/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from tallystick.agents.policy.checks import acting, names, roles, spending
from tallystick.agents.policy.document import Policy
from tallystick.agents.policy.findings import Finding, Severity


@dataclass(frozen=True)
class PolicyReport:
    """The findings of one policy, the gravest first; their number is their place in the list, from 1."""

    findings: tuple[Finding, ...]

    @property
    def is_acceptable(self) -> bool:
        """Whether a contract would take the policy."""
        return not self.of(Severity.REFUSED)

    @property
    def is_sound(self) -> bool:
        """Whether a contract would take it and nothing in it is dangerous."""
        return self.is_acceptable and not self.of(Severity.DANGER)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(one for one in self.findings if one.severity is severity)

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON members."""
        counts = {severity.name.lower(): len(self.of(severity)) for severity in reversed(Severity)}
        return {"counts": counts, "findings": [one.to_dict(n) for n, one in enumerate(self.findings, 1)]}


def check_policy(policy: Policy, at: int | None = None) -> PolicyReport:
    """Return all that is wrong with a policy.

    at  Unix seconds of now, to see what is over; without it only the policy itself is looked at
    """
    found = chain(
        roles.role_findings(policy),
        roles.terms_findings(policy),
        roles.queue_findings(policy),
        spending.token_findings(policy),
        spending.budget_findings(policy),
        spending.payee_findings(policy, at),
        spending.newcomer_findings(policy),
        acting.rule_findings(policy),
        acting.session_findings(policy, at),
        names.name_findings(policy),
    )
    return PolicyReport(tuple(sorted(found, key=lambda one: -one.severity)))
