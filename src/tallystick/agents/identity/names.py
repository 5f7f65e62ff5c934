"""Names of agents, and which agent one means.

A name is a domain name that an agent claims in its metadata `agentName`. Anybody may claim any: a claim counts for
something once the domain's own file lists the agent. A name that several claim and no domain settles means nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.agents.identity.domains import check_domain
from tallystick.agents.identity.reference import AgentRef
from tallystick.chain.bindings.agent_identity import AgentIdentity
from tallystick.chain.calls import Call
from tallystick.core.errors import InvalidInput, VerificationFailed

KEY: Final = "agentName"


@dataclass(frozen=True)
class Claim:
    """An agent that claims a name, and whether the name's domain lists the agent."""

    agent: AgentRef
    is_confirmed: bool


def claim_name(identity: AgentIdentity, agent_id: int, name: str) -> Call:
    """Return the call by which an agent claims a name; raises InvalidInput "agent.domain"."""
    return identity.set_metadata(agent_id, KEY, check_domain(name).encode())


def resolve(name: str, claims: Sequence[Claim]) -> AgentRef:
    """Return the agent that a name means: the one that its domain confirms.

    raises  InvalidInput "agent.domain", "agent.name_unknown" when nobody claims it; VerificationFailed
            "agent.name_unconfirmed" when no domain confirms a claim, "agent.name_ambiguous" when it confirms several
    """
    check_domain(name)
    if not claims:
        raise InvalidInput("agent.name_unknown", "no agent claims this name", got=name)
    confirmed = sorted({claim.agent for claim in claims if claim.is_confirmed}, key=str)
    if not confirmed:
        raise VerificationFailed(
            "agent.name_unconfirmed", f"{name} does not list an agent that claims it", got=len(claims),
            hint="name the agent by its id, if you know it",
        )  # fmt: skip
    if len(confirmed) > 1:
        raise VerificationFailed(
            "agent.name_ambiguous", f"{name} lists several agents that claim it", expected=1,
            got=", ".join(map(str, confirmed))[:200], hint="name the agent by its id",
        )  # fmt: skip
    return confirmed[0]
