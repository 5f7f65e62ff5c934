# pragma version 0.4.3
"""
@title   Owners: what the owner does itself
@license Apache-2.0
@notice  The owner moves anything at any time; each time is a link. Changes of the account, its rules and its queue are
         not among it: they wait, so the owner cannot call these three in the account's name.
@custom:invariant Only the owner comes through here, and each time leaves a link.
@custom:security  A thief of the owner's key is stopped by a guardian's freeze, but for the sweep: keep that key apart.
"""

from ethereum.ercs import IERC20

from ....interfaces import IPolicyAccount
from . import audit
from . import companions
from . import roles

uses: audit
uses: companions
uses: roles

_OWNER_CALL: constant(uint8) = 7
_SWEEP: constant(uint8) = 8


@payable
@external
@nonreentrant
def owner_execute(target: address, amount: uint256, data: Bytes[2048], intent_hash: bytes32):
    roles._check_owner()
    roles._check_not_frozen()
    assert not companions._is_own(target), "owners: target denied"
    raw_call(target, data, value=amount)
    audit._link(
        empty(address), _OWNER_CALL, target, empty(address), amount, keccak256(data), intent_hash, True
    )


@external
@nonreentrant
def sweep(token: address, receiver: address):
    roles._check_owner()
    amount: uint256 = self.balance
    is_done: bool = False
    answer: Bytes[32] = b""
    if token == empty(address):
        is_done = raw_call(receiver, b"", value=amount, revert_on_failure=False)
    else:
        amount = staticcall IERC20(token).balanceOf(self)
        is_done, answer = raw_call(
            token,
            abi_encode(receiver, amount, method_id=method_id("transfer(address,uint256)")),
            max_outsize=32,
            revert_on_failure=False,
        )
        is_done = is_done and (len(answer) == 0 or answer == abi_encode(True))
    assert is_done, "owners: call failed"
    log IPolicyAccount.Swept(token=token, receiver=receiver, amount=amount)
    audit._link(empty(address), _SWEEP, receiver, token, amount, empty(bytes32), empty(bytes32), True)
