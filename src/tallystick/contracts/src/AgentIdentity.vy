# pragma version 0.4.3
"""
@title   AgentIdentity
@license Apache-2.0
@notice  ERC-8004 identity registry: an agent is an ERC-721 token with a registration file, metadata and a proved wallet.
         The interface IAgentIdentity.vyi teaches the contract; this shell composes its modules.
@custom:invariant Ids are 0, 1, 2, … without a gap. An agent's wallet is zero, its registrant, or an account that signed
                  for it under its present owner: every transfer clears it.
@custom:kill      There is none: no administrator, no pause, no upgrade. An owner stops an agent by emptying its URI and
                  unsetting its wallet.
@custom:security  Names are not unique; trust the id and its owner. What an agent says of itself is its own claim. Ether
                  sent here is refused.
"""

from ..interfaces import IAgentIdentity
from .agents.identity import access
from .agents.identity import metadata
from .agents.identity import receivers
from .agents.identity import wallets
from .registry import erc721

implements: IAgentIdentity

initializes: erc721
initializes: access[erc721 := erc721]
initializes: metadata[access := access, erc721 := erc721]
initializes: wallets[access := access]

exports: (
    erc721.supportsInterface,
    erc721.balanceOf,
    erc721.ownerOf,
    erc721.getApproved,
    erc721.isApprovedForAll,
    erc721.approve,
    erc721.setApprovalForAll,
    metadata.setAgentURI,
    metadata.setMetadata,
    metadata.tokenURI,
    wallets.setAgentWallet,
    wallets.unsetAgentWallet,
    wallets.getAgentWallet,
)

agent_count: public(uint256)


@external
def register(
    agent_uri: String[2048] = "", metadata_entries: DynArray[IAgentIdentity.MetadataEntry, 32] = []
) -> uint256:
    agent_id: uint256 = self.agent_count

    self.agent_count = agent_id + 1
    metadata._uris[agent_id] = agent_uri
    erc721._mint(msg.sender, agent_id)

    log IAgentIdentity.Registered(agent_id=agent_id, agent_uri=agent_uri, owner=msg.sender)
    wallets._set(agent_id, msg.sender)
    for entry: IAgentIdentity.MetadataEntry in metadata_entries:
        metadata._set(agent_id, entry.metadata_key, entry.metadata_value)
    return agent_id


@external
def transferFrom(sender: address, receiver: address, token_id: uint256):
    erc721._transfer(sender, receiver, token_id)
    wallets._clear(token_id)


@external
def safeTransferFrom(sender: address, receiver: address, token_id: uint256, data: Bytes[1024] = b""):
    erc721._transfer(sender, receiver, token_id)
    wallets._clear(token_id)
    receivers._ask(receiver, sender, token_id, data)


@view
@external
def getMetadata(agent_id: uint256, metadata_key: String[64]) -> Bytes[1024]:
    if metadata._is_wallet(metadata_key):
        return wallets._packed(wallets._wallets[agent_id])
    return metadata._values[agent_id][metadata_key]


@view
@external
def isAuthorizedOrOwner(spender: address, agent_id: uint256) -> bool:
    return access._may(erc721._existing_owner(agent_id), spender, agent_id)


@pure
@external
def getVersion() -> String[8]:
    return "2.0.0"


@pure
@external
def name() -> String[32]:
    return "Tallystick Agents"


@pure
@external
def symbol() -> String[8]:
    return "AGENT"
