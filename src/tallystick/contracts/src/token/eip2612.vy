# pragma version 0.4.3
"""
@title   Permits: an allowance by signature
@license Apache-2.0
@notice  EIP-2612: whoever brings the owner's signature sets the allowance that it names. Owners are keys or contracts.
@custom:invariant A permit works once, in the order of its owner's nonces, up to and including its deadline.
@custom:security  Anybody may bring a permit, also one taken from somebody else's pending transaction: a contract that
                  calls `permit` and then moves units should go on if the allowance is there though `permit` failed.
"""

from .. import signers
from . import eip712
from . import erc20

uses: eip712
uses: erc20

PERMIT_TYPEHASH: public(constant(bytes32)) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)

_nonces: HashMap[address, uint256]


@view
@external
def nonces(owner: address) -> uint256:
    return self._nonces[owner]


@external
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    self._permit(owner, spender, amount, deadline, signers._joined(v, r, s))


@internal
def _permit(owner: address, spender: address, amount: uint256, deadline: uint256, signature: Bytes[1024]):
    assert block.timestamp <= deadline, "eip2612: expired"
    nonce: uint256 = self._nonces[owner]
    digest: bytes32 = eip712._digest(keccak256(abi_encode(PERMIT_TYPEHASH, owner, spender, amount, nonce, deadline)))
    assert signers._is_signed_by(owner, digest, signature), "eip2612: not signed by the owner"

    self._nonces[owner] = nonce + 1
    erc20._approve(owner, spender, amount)
