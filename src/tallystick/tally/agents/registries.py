"""The four registries of this workspace's chain: who agents are, what is said of them, what was checked, who answers.

Each is found when it is first asked for: on a chain of others there may be some of them and not all.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from tallystick.agents.identity.reference import AgentRef, RegistryRef
from tallystick.agents.projection import projection
from tallystick.chain.bindings.agent_credentials import AgentCredentials
from tallystick.chain.bindings.agent_identity import AgentIdentity
from tallystick.chain.bindings.agent_reputation import AgentReputation
from tallystick.chain.bindings.agent_validation import AgentValidation
from tallystick.chain.calls import Call
from tallystick.chain.facts import TxReceipt
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.index import Projection
from tallystick.tally.agents import senders
from tallystick.tally.agents.system import IDENTITY

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

REPUTATION: Final = "AgentReputation"
VALIDATION: Final = "AgentValidation"
CREDENTIALS: Final = "AgentCredentials"
R = TypeVar("R", AgentReputation, AgentValidation, AgentCredentials)

TOKEN: Final = "Token"  # noqa: S105  the workspace's token is the one that agents are paid in


class Registries:
    """The registries, to read and to send to."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    @cached_property
    def identity(self) -> AgentIdentity:
        """Who agents are; raises InvalidInput "deployments.absent"."""
        return AgentIdentity(self._tally.node, self._address(IDENTITY))

    @cached_property
    def reputation(self) -> AgentReputation:
        """What clients say; raises InvalidInput "deployments.absent", VerificationFailed "agent.registries"."""
        return self._beside(AgentReputation(self._tally.node, self._address(REPUTATION)))

    @cached_property
    def validation(self) -> AgentValidation:
        """What others checked; raises as `reputation`."""
        return self._beside(AgentValidation(self._tally.node, self._address(VALIDATION)))

    @cached_property
    def credentials(self) -> AgentCredentials:
        """Who answers for agents; raises as `reputation`."""
        return self._beside(AgentCredentials(self._tally.node, self._address(CREDENTIALS)))

    @property
    def reference(self) -> RegistryRef:
        """How the identity registry is named across chains."""
        return RegistryRef(self._tally.node.chain_id, self.identity.address)

    def agent(self, which: str | int) -> AgentRef:
        """Return the agent that a user means: its id here, or eip155:CHAIN:0x…/ID of this registry.

        raises  InvalidInput "agent.reference" and those of the reference, "agent.elsewhere"
        """
        if isinstance(which, int) or (which.isascii() and which.isdigit()):
            return AgentRef.parse(f"{self.reference}/{int(which)}")
        found = AgentRef.parse(which)
        if found.registry != self.reference:
            raise InvalidInput(
                "agent.elsewhere", "the agent is of another registry than this workspace's",
                expected=str(self.reference), got=str(found.registry),
            )  # fmt: skip
        return found

    @property
    def token(self) -> str:
        """The address of the token that agents are paid in, as far as this workspace knows one; "" if none."""
        return self._known(TOKEN)

    def projection(self) -> Projection | None:
        """Return what the index makes of the registries' events; None where there is no identity registry."""
        identity = self._known(IDENTITY)
        if not identity:
            return None
        reputation, validation, credentials = (self._known(name) for name in (REPUTATION, VALIDATION, CREDENTIALS))
        return projection(identity, reputation, validation, credentials, self.token)

    @property
    def first_block(self) -> int:
        """The block before which none of them has an event: none relies on an agent that was not registered."""
        return self._tally.first_block(IDENTITY)

    def send(self, call: Call, by: str, intent: str) -> TxReceipt:
        """Send a call as a key of this workspace, and wait until it is mined."""
        return senders.send(self._tally, by, call, intent)

    # --- parts

    def _address(self, contract: str) -> str:
        try:
            return self._tally.address(contract)
        except InvalidInput as error:
            if error.code == "deployments.absent":
                error.hint = f"`tally chain deploy` puts it there; another's is named in config.toml: {contract} = 0x…"
            raise

    def _known(self, contract: str) -> str:
        try:
            return self._tally.address(contract)
        except InvalidInput as error:
            if error.code != "deployments.absent":
                raise
            return ""

    def _beside(self, registry: R) -> R:
        relied_on = registry.get_identity_registry()
        if relied_on != self.identity.address:
            raise VerificationFailed(
                "agent.registries", f"the registry at {registry.address} is about other agents",
                expected=self.identity.address, got=relied_on, hint="name registries that belong together",
            )  # fmt: skip
        return registry
