# pragma version 0.4.3
"""
@title   The domain in which a token's holders sign
@license Apache-2.0
@notice  EIP-712 with the token's name, version 1, this chain and this contract; EIP-5267 says so. The separator is
         computed each time, with the chain id of now: after a fork no signature counts on both chains.
@custom:invariant A digest is of one struct, for one token, on one chain.
@custom:security  Names are not unique: a wallet shows the contract's address as well.
"""

from . import erc20

uses: erc20

version: public(constant(String[1])) = "1"
_DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_NAME_HASH: immutable(bytes32)


@deploy
def __init__():
    _NAME_HASH = keccak256(erc20.name)


@view
@external
def eip712Domain() -> (bytes1, String[64], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    # 0x0f: name, version, chain id and contract are in use; salt is not.
    return 0x0f, erc20.name, version, chain.id, self, empty(bytes32), []


@view
@external
def DOMAIN_SEPARATOR() -> bytes32:
    return self._separator()


@view
@internal
def _digest(struct_hash: bytes32) -> bytes32:
    return keccak256(concat(0x1901, self._separator(), struct_hash))


@view
@internal
def _separator() -> bytes32:
    return keccak256(abi_encode(_DOMAIN_TYPE, _NAME_HASH, keccak256(version), chain.id, self))
