# pragma version 0.4.3
"""
@title   AgentCredentials
@license Apache-2.0
@notice  Compliance attestations that are bound to an agent and its owner: who operates it, under which jurisdiction. The
         interface IAgentCredentials.vyi teaches the contract; this shell composes its modules.
@custom:invariant There is no function that moves a credential. A sale of the agent leaves the buyer without it.
@custom:kill      There is none: no administrator, no pause, no upgrade. An issuer revokes, a holder renounces.
@custom:security  Optional: an agent without credentials is an agent. A credential is worth what its issuer's address is
                  worth to whoever reads it. Ether sent here is refused.
"""

from ..interfaces import IAgentCredentials
from .agents import identities
from .agents.credentials import attestations
from .agents.credentials import issuers

implements: IAgentCredentials

initializes: identities
initializes: issuers
initializes: attestations[identities := identities, issuers := issuers]

exports: (
    identities.initialize,
    identities.getIdentityRegistry,
    issuers.name_issuer,
    issuers.issuer_name,
    attestations.credential_count,
    attestations.issue,
    attestations.revoke,
    attestations.renounce,
    attestations.credential,
    attestations.is_valid,
    attestations.valid_credential,
)


@deploy
def __init__(identity_registry: address):
    identities.__init__(identity_registry)
