"""Who answers for an agent: attested by issuers, shown to whom it concerns, taken back.

The chain holds a commitment and a country; the document with its salt is a file that issuer and holder keep.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tallystick.agents.credentials.opening import Opening
from tallystick.agents.credentials.operator import Operator, check_credential
from tallystick.agents.directory import Directory
from tallystick.agents.identity.reference import AgentRef
from tallystick.chain.bindings.agent_credentials import CredentialIssued
from tallystick.core.checks import Report
from tallystick.tally.agents import senders

if TYPE_CHECKING:
    from tallystick.chain.facts import TxReceipt
    from tallystick.tally.agents.registries import Registries
    from tallystick.tally.workspace import Tally

OPERATOR = "operator"  # the kind of credential that says who operates an agent


@dataclass(frozen=True)
class Attested:
    """A credential as the chain has it now; times are seconds since 1970, 0 for never."""

    id: int
    agent: AgentRef
    issuer: str
    issuer_name: str
    holder: str
    kind: str
    jurisdiction: str
    commitment: bytes
    issued_at: int
    expires_at: int
    ended_at: int
    is_valid: bool

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON members."""
        return {**vars(self), "agent": str(self.agent), "commitment": self.commitment.hex()}


class Credentials:
    """The credentials of the agents of this workspace's registry."""

    def __init__(self, tally: Tally, registries: Registries) -> None:
        self._tally = tally
        self._registries = registries

    def name_issuer(self, name: str, uri: str = "", by: str = senders.OWN) -> TxReceipt:
        """Issue credentials under this name from here on; raises Rejected "issuers: already named"."""
        return self._registries.send(self._registries.credentials.name_issuer(name, uri), by, f"issuer {name}")

    def seal(self, operator: Operator) -> Opening:
        """Return what will open a credential about this operator: keep it before `issue`; the holder gets it too."""
        return Opening(operator.to_bytes(), secrets.token_bytes(32))

    def issue(self, opening: Opening, *, valid_s: int, uri: str = "", by: str = senders.OWN) -> int:
        """Return the id of a new credential, which seals what `opening` opens.

        valid_s  seconds from now; two years at most
        raises   Rejected "issuers: not named", "credentials: own agent", "credentials: lasts too long"
        """
        operator = Operator.from_bytes(opening.document)
        commitment, expires = operator.sealed(opening.salt), senders.now_s(self._tally) + valid_s
        agent = self._registries.agent(str(operator.agent))
        call = self._registries.credentials.issue(
            agent.agent_id, OPERATOR, operator.jurisdiction, commitment, uri, expires
        )
        receipt = self._registries.send(call, by, f"attest the operator of {agent}")
        made = next(CredentialIssued.decode(log) for log in receipt.logs if log.topics[0] == CredentialIssued.topic)
        return made.credential_id

    def revoke(self, credential_id: int, reason: str, by: str = senders.OWN) -> TxReceipt:
        """Take a credential back, as its issuer; raises Rejected "credentials: not the issuer"."""
        call = self._registries.credentials.revoke(credential_id, reason)
        return self._registries.send(call, by, f"revoke credential {credential_id}")

    def renounce(self, credential_id: int, reason: str, by: str = senders.OWN) -> TxReceipt:
        """Want no more to do with a credential, as its holder; raises Rejected "credentials: not the holder"."""
        call = self._registries.credentials.renounce(credential_id, reason)
        return self._registries.send(call, by, f"renounce credential {credential_id}")

    def show(self, credential_id: int) -> Attested:
        """Return a credential as the chain has it; raises Rejected "credentials: unknown"."""
        contract = self._registries.credentials
        found = contract.credential(credential_id)
        return Attested(
            credential_id, self._registries.agent(found.agent_id), found.issuer, contract.issuer_name(found.issuer),
            found.holder, found.kind, found.jurisdiction, found.commitment, found.issued_at, found.expires_at,
            found.ended_at, contract.is_valid(credential_id),
        )  # fmt: skip

    def of(self, agent: AgentRef) -> list[Attested]:
        """Return the credentials of an agent that nobody ended and whose holder owns it, found by the index."""
        rows = Directory(self._tally.index).credentials(agent.agent_id)
        return [self.show(int(str(row["credential_id"]))) for row in rows]

    def verify(self, credential_id: int, opening: Opening, issuers: Collection[str]) -> Report:
        """Report whether a credential holds now, comes from one of `issuers`, and seals this document."""
        contract = self._registries.credentials
        return check_credential(contract, credential_id, opening.document, opening.salt, issuers)
