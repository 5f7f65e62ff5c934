"""The domain proof: https://DOMAIN/.well-known/agent-registration.json lists the agents that are the domain's own.

Fetching it is the business of whoever dials; here it is built, read and compared. It proves what a certificate of the
domain proves, at the time it was fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from tallystick.agents.identity.parsing import list_of, load_object
from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.identity.registration import Registration, read_reference
from tallystick.core import canonical
from tallystick.core.checks import Check, Report
from tallystick.core.errors import InvalidInput

PATH = "/.well-known/agent-registration.json"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+{_LABEL}\Z", re.ASCII)


def check_domain(text: str) -> str:
    """Return `text` if it is a domain in ASCII and lower case, so that one name has one spelling.

    raises  InvalidInput "agent.domain"
    """
    if not _DOMAIN.match(text) or text.rpartition(".")[2].isdigit():
        raise InvalidInput(
            "agent.domain", "not a domain name", expected="lower case, ASCII, such as quotes.example.com",
            got=ascii(text)[:80], hint="write other letters in their xn-- form",
        )  # fmt: skip
    return text


def build_proof(agents: Iterable[AgentRef]) -> bytes:
    """Return the file that a domain publishes for these agents, as canonical JSON."""
    listed: list[object] = [{"agentId": str(agent.agent_id), "agentRegistry": str(agent.registry)} for agent in agents]
    return canonical.encode({"registrations": listed})


def read_proof(data: bytes) -> tuple[AgentRef, ...]:
    """Return the agents that a domain's file lists; raises InvalidInput as `Registration.from_bytes`."""
    return list_of(load_object(data, "domain proof"), "registrations", read_reference)


def domains_of(registration: Registration) -> tuple[str, ...]:
    """Return the domains of a file's services that are reached by https, in order, each once."""
    found: dict[str, None] = {}
    for service in registration.services:
        try:
            parts = urlsplit(service.endpoint)
            if parts.scheme == "https" and parts.hostname and parts.port in (None, 443):
                found[check_domain(parts.hostname)] = None
        except (ValueError, InvalidInput):
            continue
    return tuple(found)


def check_proof(agent: AgentRef, domain: str, data: bytes) -> Report:
    """Report whether `data`, fetched from the domain's well-known place, lists the agent."""
    try:
        listed = read_proof(data)
    except InvalidInput as error:
        return Report((Check.failed("domain", error),))
    got = ", ".join(map(str, listed[:8]))
    return Report((Check("domain", agent in listed, f"{domain}{PATH} lists the agent", str(agent), got),))
