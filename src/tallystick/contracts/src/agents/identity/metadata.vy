# pragma version 0.4.3
"""
@title   What an agent says of itself on chain
@license Apache-2.0
@notice  The URI of its registration file and small values by key. The key `agentWallet` belongs to the module wallets.
@custom:invariant Only accounts that may act for an agent change its URI and its metadata.
@custom:security  All of it is the agent's own claim. It survives a transfer: a buyer edits what the seller wrote. What
                  must not survive one, such as a signing key, ends for its readers with the Transfer event.
"""

from ....interfaces import IAgentIdentity
from ...registry import erc721
from . import access

uses: access
uses: erc721

_WALLET: constant(String[11]) = "agentWallet"

_uris: HashMap[uint256, String[2048]]
_values: HashMap[uint256, HashMap[String[64], Bytes[1024]]]


@external
def setAgentURI(agent_id: uint256, new_uri: String[2048]):
    access._check(msg.sender, agent_id)
    self._uris[agent_id] = new_uri
    log IAgentIdentity.URIUpdated(agent_id=agent_id, new_uri=new_uri, updated_by=msg.sender)


@external
def setMetadata(agent_id: uint256, metadata_key: String[64], metadata_value: Bytes[1024]):
    access._check(msg.sender, agent_id)
    self._set(agent_id, metadata_key, metadata_value)


@view
@external
def tokenURI(token_id: uint256) -> String[2048]:
    erc721._existing_owner(token_id)
    return self._uris[token_id]


@internal
def _set(agent_id: uint256, key: String[64], content: Bytes[1024]):
    assert not self._is_wallet(key), "metadata: reserved key"
    self._values[agent_id][key] = content
    log IAgentIdentity.MetadataSet(
        agent_id=agent_id, indexed_metadata_key=key, metadata_key=key, metadata_value=content
    )


@pure
@internal
def _is_wallet(key: String[64]) -> bool:
    return key == _WALLET
