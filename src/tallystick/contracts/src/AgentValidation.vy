# pragma version 0.4.3
"""
@title   AgentValidation
@license Apache-2.0
@notice  ERC-8004 validation registry: validators say how well an agent did a piece of work. The interface
         IAgentValidation.vyi teaches the contract; this shell composes its modules.
@custom:invariant A request hash has one request, made for the agent whose id it begins with by somebody who acts for
                  that agent. Nobody validates an agent that is his.
@custom:kill      There is none: no administrator, no pause, no upgrade.
@custom:security  What a request is about stands in its preimage; docs/spec/agent-validation.md gives one that leads to
                  receipts and model versions. Ether sent here is refused.
"""

from ..interfaces import IAgentValidation
from .agents import identities
from .agents.validation import readings
from .agents.validation import requests

implements: IAgentValidation

initializes: identities
initializes: requests[identities := identities]
initializes: readings[requests := requests]

exports: (
    identities.initialize,
    identities.getIdentityRegistry,
    requests.validationRequest,
    requests.validationResponse,
    requests.getValidationStatus,
    requests.has_response,
    requests.request_count,
    requests.request_at,
    readings.getSummary,
    readings.getAgentValidations,
    readings.getValidatorRequests,
)


@deploy
def __init__(identity_registry: address):
    identities.__init__(identity_registry)


@pure
@external
def getVersion() -> String[8]:
    return "2.0.0"
