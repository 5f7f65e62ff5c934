"""What the identity and reputation registries should hold, in plain Python; for the rule machine beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tallystick.chain.bindings import agent_identity, agent_reputation
from tallystick.core.ids import checksum_address
from tests.contracts.agent_kit import NOBODY


@dataclass
class Agent:
    """One agent; `wallet_owner` is under whom its wallet was set, which must be its owner as long as it has one."""

    owner: str
    uri: str
    wallet: str
    approved: str = NOBODY
    metadata: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Said:
    """One piece of feedback."""

    amount: int
    decimals: int
    tag1: str
    tag2: str
    revoked: bool = False
    responders: list[str] = field(default_factory=list)


@dataclass
class Ghost:
    """What the two registries should hold."""

    agents: list[Agent] = field(default_factory=list)
    operators: set[tuple[str, str]] = field(default_factory=set)
    said: dict[tuple[int, str], list[Said]] = field(default_factory=dict)  # in order of the first

    def agent(self, agent_id: int) -> Agent | None:
        return self.agents[agent_id] if agent_id < len(self.agents) else None

    def acts_for(self, account: str, agent_id: int) -> bool:
        agent = self.agents[agent_id]
        return account in (agent.owner, agent.approved) or (agent.owner, account) in self.operators

    def why_not_edit(self, account: str, agent_id: int) -> str | None:
        if self.agent(agent_id) is None:
            return "erc721: no such token"
        return None if self.acts_for(account, agent_id) else "identity: not authorized"

    def clients(self, agent_id: int) -> list[str]:
        return [client for (rated, client), said in self.said.items() if rated == agent_id and said]


def rebuilt(events):
    """Rebuild both registries from their events alone, as an index would."""
    copy = Ghost()
    for event in events:
        match event:
            case agent_identity.Transfer(sender=sender) if sender == NOBODY:
                copy.agents.append(Agent(event.receiver, "", NOBODY))
            case agent_identity.Transfer():
                copy.agents[event.token_id].owner = event.receiver
                copy.agents[event.token_id].approved = NOBODY
            case agent_identity.Registered() | agent_identity.URIUpdated():
                uri = event.agent_uri if isinstance(event, agent_identity.Registered) else event.new_uri
                copy.agents[event.agent_id].uri = uri
            case agent_identity.MetadataSet(metadata_key="agentWallet"):
                copy.agents[event.agent_id].wallet = address_in(event.metadata_value)
            case agent_identity.MetadataSet():
                copy.agents[event.agent_id].metadata[event.metadata_key] = event.metadata_value
            case agent_identity.Approval():
                copy.agents[event.token_id].approved = event.approved
            case agent_identity.ApprovalForAll():
                pair = (event.owner, event.operator)
                (copy.operators.add if event.approved else copy.operators.discard)(pair)
            case agent_reputation.NewFeedback() as e:
                pieces = copy.said.setdefault((e.agent_id, e.client_address), [])
                pieces.append(Said(e.feedback_value, e.value_decimals, e.tag1, e.tag2))
                assert len(pieces) == e.feedback_index
            case agent_reputation.FeedbackRevoked():
                copy.said[event.agent_id, event.client_address][event.feedback_index - 1].revoked = True
            case agent_reputation.ResponseAppended():
                piece = copy.said[event.agent_id, event.client_address][event.feedback_index - 1]
                piece.responders.append(event.responder)
            case _:
                raise AssertionError(f"an event that no index would understand: {event}")
    return copy


def address_in(content):
    return checksum_address(content) if content else NOBODY
