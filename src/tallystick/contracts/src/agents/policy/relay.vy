# pragma version 0.4.3
"""
@title   Relay: what sessions signed, brought by anybody
@license Apache-2.0
@notice  Actions in their order, and delegations of ERC-7710, whose manager this is.
@custom:invariant An action and a delegation count once, for one account, chain and epoch. Sequence numbers never come
                  again, whatever becomes of a session.
@custom:security  Who brings an action pays for it and can hold it back, or let it fail for want of gas, but not have it
                  counted as a denial: the account asserts that the signed gas is really there.
"""

from ....interfaces import IPolicyAccount
from ....interfaces import IPolicyRelay
from ... import signatures
from . import messages

_KIND_SIGNED: constant(uint8) = 2
_KIND_DELEGATION: constant(uint8) = 4
_TRANSFER: constant(Bytes[4]) = method_id("transfer(address,uint256)")

_seqs: HashMap[address, HashMap[address, uint64]]  # account, session
_redeemed: HashMap[bytes32, bool]


@external
def execute_signed(account: address, action: IPolicyRelay.Action, signature: Bytes[65]) -> bool:
    assert block.timestamp <= convert(action.deadline, uint256), "relay: expired"
    assert action.epoch == staticcall IPolicyAccount(account).epoch(), "relay: another epoch"
    assert action.seq == self._seqs[account][action.session], "relay: wrong sequence number"
    self._check_signed(messages._action_digest(account, action), signature, action.session)
    self._seqs[account][action.session] += 1
    return extcall IPolicyAccount(account).act(
        action.session,
        _KIND_SIGNED,
        action.target,
        action.amount,
        action.data,
        action.intent_hash,
        convert(action.gas_limit, uint256),
    )


@external
def redeemDelegations(
    contexts: DynArray[Bytes[1024], 1], modes: DynArray[bytes32, 1], executions: DynArray[Bytes[512], 1]
):
    assert len(contexts) == 1 and len(modes) == 1 and len(executions) == 1, "relay: not one single call"
    assert modes[0] == empty(bytes32), "relay: not one single call"
    execution: Bytes[512] = executions[0]
    account: address = empty(address)
    session: address = empty(address)
    max_amount: uint256 = 0
    deadline: uint64 = 0
    nonce: uint256 = 0
    payee: address = empty(address)
    signature: Bytes[65] = b""
    account, session, max_amount, deadline, nonce, payee, signature = abi_decode(
        contexts[0], (address, address, uint256, uint64, uint256, address, Bytes[65])
    )
    assert (
        len(execution) == 120
        and slice(execution, 20, 32) == abi_encode(empty(uint256))
        and slice(execution, 52, 4) == _TRANSFER
        and extract32(execution, 56, output_type=uint256) == convert(payee, uint256)
        and extract32(execution, 88, output_type=uint256) <= max_amount
    ), "relay: not what was permitted"
    assert block.timestamp <= convert(deadline, uint256), "relay: expired"
    token: address = convert(convert(slice(execution, 0, 20), bytes20), address)
    epoch: uint32 = staticcall IPolicyAccount(account).epoch()
    digest: bytes32 = messages._delegation_digest(
        account, session, token, payee, max_amount, deadline, nonce, epoch
    )
    self._check_signed(digest, signature, session)
    assert not self._redeemed[digest], "relay: already redeemed"
    self._redeemed[digest] = True
    log IPolicyRelay.Redeemed(digest=digest, account=account, session=session)
    is_done: bool = extcall IPolicyAccount(account).act(
        session, _KIND_DELEGATION, token, 0, slice(execution, 52, 68), digest, max_value(uint256)
    )
    # Who redeems can only find out by simulating, so what is refused must revert.
    assert is_done, "relay: refused"


@view
@external
def seq_of(account: address, session: address) -> uint64:
    return self._seqs[account][session]


@view
@external
def is_redeemed(digest: bytes32) -> bool:
    return self._redeemed[digest]


@pure
@internal
def _check_signed(digest: bytes32, signature: Bytes[65], session: address):
    assert (
        session != empty(address) and signatures._recovered(digest, signature) == session
    ), "relay: wrong signature"
