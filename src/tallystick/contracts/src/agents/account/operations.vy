# pragma version 0.4.3
"""
@title   Operations: acting through the EntryPoint of ERC-4337
@license Apache-2.0
@notice  A nonce's upper 160 bits are the session, 32 more are a lane, so one session's operations run side by side.
@custom:invariant The most that an operation's gas may cost is out of the native buckets before the operation is accepted,
                  and nothing of it comes back: what the EntryPoint does not use stays as this account's deposit there.
@custom:security  Validation keeps ERC-7562's rules: it reads no time, so it goes by what the buckets held when last
                  counted (let anybody call `accrue` before), and no storage but the account's own.
"""

from ....interfaces import IPolicyAccount
from ... import signatures
from . import audit
from . import buckets
from . import calls
from . import companions
from . import sessions

uses: audit
uses: buckets
uses: calls
uses: companions
uses: sessions

_OPERATION: constant(uint8) = 3
_GAS: constant(uint8) = 6
_NATIVE: constant(address) = empty(address)
_M48: constant(uint256) = 2**48 - 1
_M128: constant(uint256) = 2**128 - 1
# executeUserOp((address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes),bytes32)
_EXECUTE: constant(Bytes[4]) = x"8dd7712f"


@external
@nonreentrant
def validateUserOp(operation: IPolicyAccount.PackedUserOperation, digest: bytes32, missing: uint256) -> uint256:
    self._check_entry_point()
    session: address = convert(operation.nonce >> 96, address)
    assert slice(operation.call_data, 0, 4) == _EXECUTE, "operations: not an execution"
    word: uint256 = sessions._words[session]
    assert sessions._is_of_epoch(word), "sessions: not live"
    sessions._check_level(word, sessions._BOUNDED)
    # A wrong signature goes on to the end, so that gas can be estimated before there is one: the EntryPoint undoes it.
    failed: uint256 = convert(signatures._recovered(digest, operation.signature) != session, uint256)
    if len(operation.paymaster_and_data) == 0:
        limits: uint256 = convert(operation.account_gas_limits, uint256)
        gas_limit: uint256 = (limits >> 128) + (limits & _M128) + operation.pre_verification_gas
        cost: uint256 = gas_limit * (convert(operation.gas_fees, uint256) & _M128)
        assert missing <= cost, "operations: asks too much"
        buckets._debit(buckets._SESSION, session, _NATIVE, cost, False)
        buckets._debit(buckets._ACCOUNT, empty(address), _NATIVE, cost, False)
        audit._link(session, _GAS, msg.sender, _NATIVE, cost, digest, empty(bytes32), True)
        if missing != 0:
            # All the gas, without asking how much: the compiler's own way reads GAS too early for ERC-7562.
            raw_call(msg.sender, b"", value=missing, gas=2**32 - 1)
    # Whose owner is silent spends no gas either, and only the EntryPoint can look at the time.
    until: uint256 = min(word >> 56 & _M48, sessions._heard_until(word))
    return failed | until << 160 | (word >> 8 & _M48) << 208


@external
@nonreentrant
def executeUserOp(operation: IPolicyAccount.PackedUserOperation, digest: bytes32):
    self._check_entry_point()
    target: address = empty(address)
    amount: uint256 = 0
    data: Bytes[2048] = b""
    intent_hash: bytes32 = empty(bytes32)
    target, amount, data, intent_hash = abi_decode(
        slice(operation.call_data, 4, len(operation.call_data) - 4), (address, uint256, Bytes[2048], bytes32)
    )
    calls._act(
        convert(operation.nonce >> 96, address), _OPERATION, target, amount, data, intent_hash, calls._ALL_GAS
    )


@view
@internal
def _check_entry_point():
    assert msg.sender == companions.entry_point, "operations: not the entry point"
