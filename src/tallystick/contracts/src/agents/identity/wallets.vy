# pragma version 0.4.3
"""
@title   The wallet that an agent is paid at, proved by whoever holds it
@license Apache-2.0
@notice  At registration the wallet is the registrant. Another wallet must sign that it belongs to the agent and its
         present owner: by ECDSA, or, if that fails and it has code, by ERC-1271. A transfer clears it.
@custom:invariant A wallet that is not zero was the registrant of the agent or signed for it under its present owner.
@custom:security  A proof is valid until its deadline, five minutes at most, and whoever may act for the agent can use it
                  again within them. ERC-1271 is asked by static call with all gas: the caller pays for what it asks.
"""

from ....interfaces import IAgentIdentity
from ... import signers
from . import access

uses: access

_KEY: constant(String[11]) = "agentWallet"
_DEADLINE_S_MAX: constant(uint256) = 300  # ERC-8004: a stolen proof must not keep
_DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_NAME: constant(bytes32) = keccak256("ERC8004IdentityRegistry")
_VERSION: constant(bytes32) = keccak256("1")
_TYPE: constant(bytes32) = keccak256(
    "AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)"
)

_wallets: HashMap[uint256, address]


@external
def setAgentWallet(agent_id: uint256, new_wallet: address, deadline: uint256, signature: Bytes[1024]):
    owner: address = access._check(msg.sender, agent_id)
    assert new_wallet != empty(address), "wallets: zero address"
    assert block.timestamp <= deadline, "wallets: proof expired"
    assert deadline <= block.timestamp + _DEADLINE_S_MAX, "wallets: deadline too far"
    digest: bytes32 = self._digest(agent_id, new_wallet, owner, deadline)
    assert signers._is_signed_by(new_wallet, digest, signature), "wallets: wallet has not signed"
    self._set(agent_id, new_wallet)


@external
def unsetAgentWallet(agent_id: uint256):
    access._check(msg.sender, agent_id)
    self._set(agent_id, empty(address))


@view
@external
def getAgentWallet(agent_id: uint256) -> address:
    return self._wallets[agent_id]


@internal
def _set(agent_id: uint256, wallet: address):
    self._wallets[agent_id] = wallet
    log IAgentIdentity.MetadataSet(
        agent_id=agent_id, indexed_metadata_key=_KEY, metadata_key=_KEY, metadata_value=self._packed(wallet)
    )


@internal
def _clear(agent_id: uint256):
    """
    @dev To be called by every transfer.
    """
    if self._wallets[agent_id] != empty(address):
        self._set(agent_id, empty(address))


@pure
@internal
def _packed(wallet: address) -> Bytes[20]:
    if wallet == empty(address):
        return b""
    return slice(convert(wallet, bytes32), 12, 20)


@view
@internal
def _digest(agent_id: uint256, wallet: address, owner: address, deadline: uint256) -> bytes32:
    domain: bytes32 = keccak256(abi_encode(_DOMAIN_TYPE, _NAME, _VERSION, chain.id, self))
    struct_hash: bytes32 = keccak256(abi_encode(_TYPE, agent_id, wallet, owner, deadline))
    return keccak256(concat(b"\x19\x01", domain, struct_hash))
