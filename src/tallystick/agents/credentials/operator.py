"""The document behind a credential: who operates an agent. The chain holds a salted commitment to it and a country.

Holder and issuer keep document and salt, and show them to whom it concerns. Destroying both leaves noise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tallystick.agents.identity.reference import AgentRef
from tallystick.chain.bindings.agent_credentials import AgentCredentials
from tallystick.core import canonical, documents
from tallystick.core.checks import Check, Report
from tallystick.core.commitment import Domain, commit
from tallystick.core.errors import InvalidInput, Rejected
from tallystick.core.limits import CREDENTIAL_TEXT_MAX

KIND = "tallystick/operator/v1"
_MEMBERS = ("name", "jurisdiction", "registered_as", "contact")


@dataclass(frozen=True)
class Operator:
    """Who answers for an agent: a person or a company, where, under which number of which register, reached how."""

    agent: AgentRef
    name: str
    jurisdiction: str
    registered_as: str = ""
    contact: str = ""

    def to_bytes(self) -> bytes:
        """Return the canonical document."""
        texts = {member: getattr(self, member) for member in _MEMBERS}
        return canonical.encode({"agent": str(self.agent), "kind": KIND, **texts})

    @classmethod
    def from_bytes(cls, data: bytes) -> Operator:
        """Read a document, which has one spelling; raises InvalidInput "credential.kind" and those of its members."""
        found = documents.members(canonical.decode(data, "operator"), "operator", ("agent", "kind", *_MEMBERS))
        if found["kind"] != KIND:
            raise InvalidInput("credential.kind", "not an operator", expected=KIND, got=ascii(found["kind"])[:80])
        texts = (documents.text(found[member], member, CREDENTIAL_TEXT_MAX) for member in _MEMBERS)
        return cls(AgentRef.parse(documents.text(found["agent"], "agent", 256)), *texts)

    def sealed(self, salt: bytes) -> bytes:
        """Return the commitment that the issuer puts on chain; `salt` is 32 random bytes, used once."""
        return commit(Domain.OPERATOR, salt, self.to_bytes())


def check_credential(
    credentials: AgentCredentials, credential_id: int, document: bytes, salt: bytes, issuers: Collection[str]
) -> Report:
    """Report whether a credential holds now, comes from one of `issuers`, and says what the document says.

    raises  what a node raises
    """
    return Report.of(_checks(credentials, credential_id, document, salt, issuers))


def _checks(
    credentials: AgentCredentials, credential_id: int, document: bytes, salt: bytes, issuers: Collection[str]
) -> Iterator[Check]:
    # 1. the credential exists, and holds: not ended, not expired, the agent not sold
    try:
        found = credentials.credential(credential_id)
        holds = credentials.is_valid(credential_id)
    except Rejected as error:
        yield Check.failed("credential", error)
        return
    yield Check("valid", holds, f"expires at {found.expires_at}, ended at {found.ended_at}")
    # 2. its issuer is one whom the reader believes
    yield Check(
        "issuer", found.issuer in issuers, credentials.issuer_name(found.issuer), ", ".join(issuers), found.issuer
    )
    # 3. the document is the one that was sealed, and about this agent in this place
    try:
        operator = Operator.from_bytes(document)
        yield Check.equal("commitment", found.commitment, commit(Domain.OPERATOR, salt, document))
    except InvalidInput as error:
        yield Check.failed("document", error)
        return
    registry = operator.agent.registry.address
    yield Check.equal(
        "agent", (registry, operator.agent.agent_id), (credentials.get_identity_registry(), found.agent_id)
    )
    yield Check.equal("jurisdiction", found.jurisdiction, operator.jurisdiction)
