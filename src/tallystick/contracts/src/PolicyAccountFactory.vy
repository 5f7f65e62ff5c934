# pragma version 0.4.3
"""
@title   PolicyAccountFactory
@license Apache-2.0
@notice  Makes policy accounts. The interface IPolicyAccountFactory.vyi teaches the contract.
@custom:invariant An account is made by its owner, and has that owner when the transaction ends.
@custom:kill      There is none, and nothing to kill: the factory keeps nothing and has no say in accounts.
@custom:security  The address says nothing about guardians and delay: read them before sending coins.
"""

from ..interfaces import IPolicyAccount
from ..interfaces import IPolicyAccountFactory

implements: IPolicyAccountFactory

implementation: public(immutable(address))


@deploy
def __init__(implementation_: address):
    implementation = implementation_


@external
def create(owner: address, salt: bytes32, guardians: DynArray[address, 8], raise_delay_s: uint32) -> address:
    assert msg.sender == owner, "factory: not the owner"
    account: address = create_minimal_proxy_to(implementation, salt=self._salt(owner, salt))
    log IPolicyAccountFactory.AccountCreated(account=account, owner=owner, salt=salt)
    extcall IPolicyAccount(account).initialize(owner, guardians, raise_delay_s)
    return account


@view
@external
def address_of(owner: address, salt: bytes32) -> address:
    # What create_minimal_proxy_to sends: a loader of 9 bytes and the 45 bytes of EIP-1167.
    initcode: Bytes[54] = concat(
        x"602d3d8160093d39f3363d3d373d3d3d363d73",
        convert(implementation, bytes20),
        x"5af43d82803e903d91602b57fd5bf3",
    )
    digest: bytes32 = keccak256(
        concat(x"ff", convert(self, bytes20), self._salt(owner, salt), keccak256(initcode))
    )
    return convert(convert(digest, uint256) & (2**160 - 1), address)


@pure
@internal
def _salt(owner: address, salt: bytes32) -> bytes32:
    return keccak256(abi_encode(owner, salt))
