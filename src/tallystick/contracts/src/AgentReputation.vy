# pragma version 0.4.3
"""
@title   AgentReputation
@license Apache-2.0
@notice  ERC-8004 reputation registry: clients say what they think of agents, and anybody may answer. The interface
         IAgentReputation.vyi teaches the contract; this shell composes its modules.
@custom:invariant Feedback is numbered 1, 2, 3, … for each agent and client; nothing is edited or removed, and only its
                  client revokes it. Nobody rates an agent for which he is authorized.
@custom:kill      There is none: no administrator, no pause, no upgrade.
@custom:security  One person may be a thousand clients. This registry keeps what was said and scores nobody; a summary
                  asks for clients by name for that reason. docs/spec/agent-scoring.md says how we score. Ether sent
                  here is refused.
"""

from ..interfaces import IAgentReputation
from .agents import identities
from .agents.reputation import feedback
from .agents.reputation import readings
from .agents.reputation import responses

implements: IAgentReputation

initializes: identities
initializes: feedback[identities := identities]
initializes: responses[feedback := feedback]
initializes: readings[feedback := feedback]

exports: (
    identities.initialize,
    identities.getIdentityRegistry,
    feedback.giveFeedback,
    feedback.revokeFeedback,
    feedback.readFeedback,
    feedback.getLastIndex,
    feedback.client_count,
    feedback.client_at,
    responses.appendResponse,
    responses.getResponseCount,
    readings.getSummary,
    readings.readAllFeedback,
    readings.getClients,
)


@deploy
def __init__(identity_registry: address):
    identities.__init__(identity_registry)


@pure
@external
def getVersion() -> String[8]:
    return "2.0.0"
