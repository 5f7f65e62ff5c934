"""An agent's name across chains: namespace, chain, identity registry, and its id there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address

_REGISTRY = re.compile(r"eip155:([1-9][0-9]{0,18}):(0x[0-9a-fA-F]{40})\Z", re.ASCII)
_AGENT = re.compile(r"(.+)/(0|[1-9][0-9]{0,77})\Z", re.ASCII)


@dataclass(frozen=True)
class RegistryRef:
    """An identity registry: a chain id, and a checksum address on it."""

    chain_id: int
    address: str

    def __str__(self) -> str:
        return f"eip155:{self.chain_id}:{self.address}"

    @classmethod
    def parse(cls, text: str) -> RegistryRef:
        """Read `eip155:1:0x…`; raises InvalidInput "agent.registry", "address.checksum"."""
        match = _REGISTRY.match(text)
        if match is None:
            raise InvalidInput(
                "agent.registry", "not an identity registry", expected="eip155:CHAIN:0x…", got=ascii(text)[:80]
            )
        return cls(int(match[1]), parse_address(match[2]))


@dataclass(frozen=True)
class AgentRef:
    """An agent: its registry, and its id there."""

    registry: RegistryRef
    agent_id: int

    def __str__(self) -> str:
        return f"{self.registry}/{self.agent_id}"

    @classmethod
    def parse(cls, text: str) -> AgentRef:
        """Read `eip155:1:0x…/22`; raises InvalidInput "agent.reference" and those of the registry."""
        match = _AGENT.match(text)
        if match is None or int(match[2]) >= 2**256:
            raise InvalidInput("agent.reference", "not an agent", expected="eip155:CHAIN:0x…/ID", got=ascii(text)[:120])
        return cls(RegistryRef.parse(match[1]), int(match[2]))
