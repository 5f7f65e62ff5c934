"""The registration file of ERC-8004: what an agent says of itself, where its services are, what trust it supports.

A file is bound to an agent in two ways that meet: the agent's URI leads to the file and its metadata
`registrationSha256` holds the file's digest; and the file lists the agent among its registrations.
`check_registration` compares both.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from tallystick.agents.identity.parsing import flag_of, list_of, load_object, text_of
from tallystick.agents.identity.reference import AgentRef, RegistryRef
from tallystick.chain.bindings.agent_identity import AgentIdentity
from tallystick.chain.calls import BlockId, Call
from tallystick.core import canonical, documents
from tallystick.core.checks import Check, Report
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import EMBEDDED_URI_CHARS_MAX, REGISTRATION_TEXT_MAX, REGISTRATION_URI_MAX

TYPE = "https://eips.ethereum.org/EIPS/eip-8004#registration-v1"
DIGEST_KEY = "registrationSha256"  # metadata key: 32 bytes
_EMBEDDED_MAX = (EMBEDDED_URI_CHARS_MAX - len("data:application/json;base64,")) // 4 * 3
TRUST_MODELS = ("reputation", "crypto-economic", "tee-attestation")


@dataclass(frozen=True)
class Service:
    """One place where the agent is reached: `name` is web, A2A, MCP, OASF, ENS, DID, email or any other."""

    name: str
    endpoint: str
    version: str = ""
    skills: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the members that are not empty."""
        made: dict[str, object] = {"name": self.name, "endpoint": self.endpoint}
        made |= {"version": self.version} if self.version else {}
        made |= {"skills": list(self.skills)} if self.skills else {}
        return made | ({"domains": list(self.domains)} if self.domains else {})


@dataclass(frozen=True)
class Registration:
    """A registration file. Members that ERC-8004 does not name are not kept."""

    name: str
    description: str = ""
    image: str = ""
    services: tuple[Service, ...] = ()
    x402_support: bool = False
    active: bool = True
    registrations: tuple[AgentRef, ...] = ()
    supported_trust: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the file as canonical JSON, so that it has one digest."""
        return canonical.encode(
            {
                "type": TYPE,
                "name": self.name,
                "description": self.description,
                "image": self.image,
                "services": [service.to_dict() for service in self.services],
                "x402Support": self.x402_support,
                "active": self.active,
                "registrations": [
                    {"agentId": _small(one.agent_id), "agentRegistry": str(one.registry)} for one in self.registrations
                ],
                "supportedTrust": list(self.supported_trust),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Registration:
        """Read a file that anybody may have written.

        raises  InvalidInput "agent_file.…", "agent.registry", "address.checksum", "document.…", "canonical.depth"
        """
        found = load_object(data, "registration file")
        if found.get("type") != TYPE:
            raise InvalidInput(
                "agent_file.type", "not a registration file", expected=TYPE, got=ascii(found.get("type"))[:80]
            )
        trust = list_of(found, "supportedTrust", lambda item: documents.text(item, "supportedTrust", 64))
        unknown = sorted(set(trust) - set(TRUST_MODELS))
        if unknown:
            raise InvalidInput(
                "agent_file.trust", "no trust model of ERC-8004", expected=", ".join(TRUST_MODELS),
                got=ascii(unknown)[:80],
            )  # fmt: skip
        return cls(
            name=text_of(found, "name", 256),
            description=text_of(found, "description", REGISTRATION_TEXT_MAX, ""),
            image=text_of(found, "image", REGISTRATION_URI_MAX, ""),
            services=list_of(found, "services", _read_service),
            x402_support=flag_of(found, "x402Support", False),
            active=flag_of(found, "active", True),  # who says nothing has not withdrawn
            registrations=list_of(found, "registrations", read_reference),
            supported_trust=trust,
        )


def read_reference(value: Any) -> AgentRef:
    """Return the agent that one item of a list of registrations names.

    raises  InvalidInput "agent.registry", "address.checksum", "document.…", "agent_file.missing"
    """
    found = documents.typed(value, dict, "registration")
    registry = RegistryRef.parse(text_of(found, "agentRegistry", 128))
    agent_id = found.get("agentId")
    if isinstance(agent_id, str):
        return AgentRef(registry, documents.decimal(agent_id, "agentId"))
    return AgentRef(registry, documents.integer(agent_id, "agentId"))


def publish(identity: AgentIdentity, agent: AgentRef, uri: str, data: bytes) -> tuple[Call, Call]:
    """Return the calls after which the agent's URI and digest lead to the file `data`.

    raises  InvalidInput "agent_file.…" when it is no registration file, "agent_file.agent" when it does not list the
            agent
    """
    if agent not in Registration.from_bytes(data).registrations:
        raise InvalidInput("agent_file.agent", "the file does not list the agent", expected=str(agent))
    return (
        identity.set_agent_uri(agent.agent_id, uri),
        identity.set_metadata(agent.agent_id, DIGEST_KEY, sha256(data)),
    )


def embed(data: bytes, kind: str = "application/json") -> str:
    """Return the `data:` URI that holds a file in itself; raises InvalidInput "agent_file.embedded"."""
    uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    if len(uri) > EMBEDDED_URI_CHARS_MAX:
        raise InvalidInput(
            "agent_file.embedded", "the file is too long to be kept on chain", expected=f"≤ {_EMBEDDED_MAX} bytes",
            got=len(data), hint="serve it somewhere, and name the place with --uri",
        )  # fmt: skip
    return uri


def embedded_file(uri: str) -> bytes | None:
    """Return the file that a `data:` URI holds in itself; None for a URI that leads elsewhere.

    raises  InvalidInput "agent_file.uri"
    """
    if not uri.startswith("data:"):
        return None
    kind, comma, content = uri.partition(",")
    if comma and len(uri) <= EMBEDDED_URI_CHARS_MAX and kind.startswith("data:application/json"):
        if not kind.endswith(";base64"):
            return unquote_to_bytes(content)
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise InvalidInput(
        "agent_file.uri", "not a data: URI of JSON", expected="data:application/json;base64,…", got=ascii(uri)[:80]
    )


def check_registration(identity: AgentIdentity, agent: AgentRef, data: bytes, *, at: BlockId = "latest") -> Report:
    """Report whether `data`, found at the agent's URI, is the agent's registration file.

    raises  Rejected "erc721: no such token" when there is no such agent; what a node raises
    """
    return Report.of(_checks(identity, agent, data, at))


def _checks(identity: AgentIdentity, agent: AgentRef, data: bytes, at: BlockId) -> Iterator[Check]:
    identity.owner_of(agent.agent_id, at=at)
    # 1. the registry is the one that the agent's name says
    yield Check.equal("registry", agent.registry.address, identity.address)
    # 2. the file is the one whose digest the agent keeps on chain
    kept = identity.get_metadata(agent.agent_id, DIGEST_KEY, at=at)
    yield Check.equal("digest", kept, sha256(data), f"SHA-256 under {DIGEST_KEY}" if kept else "none is kept on chain")
    # 3. the file is well formed
    try:
        found = Registration.from_bytes(data)
    except InvalidInput as error:
        yield Check.failed("form", error)
        return
    yield Check("form", True, f"{found.name}: {len(found.services)} services")
    # 4. the file says that it is this agent's
    listed = ", ".join(map(str, found.registrations))
    yield Check("registration", agent in found.registrations, "the file lists the agent", str(agent), listed)
    # 5. the agent has not withdrawn it
    yield Check("active", found.active, "the file calls the agent active")


def _read_service(value: Any) -> Service:
    found = documents.typed(value, dict, "service")
    return Service(
        name=text_of(found, "name", 64),
        endpoint=text_of(found, "endpoint", REGISTRATION_URI_MAX),
        version=text_of(found, "version", 64, ""),
        skills=list_of(found, "skills", lambda item: documents.text(item, "skill", 256)),
        domains=list_of(found, "domains", lambda item: documents.text(item, "domain", 256)),
    )


def _small(agent_id: int) -> int | str:
    """Return the id as the ERC writes it, or as decimal text where JSON readers would round it."""
    return agent_id if agent_id < 2**53 else str(agent_id)
