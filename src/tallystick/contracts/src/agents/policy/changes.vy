# pragma version 0.4.3
"""
@title   Changes: raises wait
@license Apache-2.0
@notice  A change is calldata for an account, its rules or its queue. Announced by the owner, made by anybody once its time
         has come, taken back by the owner or any guardian. These three take this contract's word that a change is due.
@custom:invariant Sealed, nobody's power rises sooner than the delay after all could see it coming. A change is made once,
                  in the epoch in which it was announced, or never.
@custom:security  Accounts trust this contract, and anybody can pretend to be an account: so an account is only ever called
                  for its own owner, and rules and queue only about the account whose owner asked. Guardians can hold
                  every change up, but for one: a guardian's dismissal may be made 30 days later than it might have
                  been, whatever guardians did until then.
"""

from ....interfaces import IPolicyAccount
from ....interfaces import IPolicyChanges

_GUARDIAN: constant(uint8) = 1
_OWNER: constant(uint8) = 3
_KIND_POLICY: constant(uint8) = 9
_NOTE: constant(Bytes[4]) = method_id("note(uint8,address,bytes32)")
_SET_ROLE: constant(Bytes[4]) = method_id("set_role(address,uint8,bool)")
_VALID_S: constant(uint256) = 14 * 86_400
_OUTLASTING_S: constant(uint256) = 30 * 86_400  # four freezes of a guardian's, for people to find each other

rules: immutable(address)
queue: immutable(address)
_dues: HashMap[bytes32, uint256]
_dismissals: HashMap[bytes32, uint256]  # due whatever guardians do


@deploy
def __init__(rules_: address, queue_: address):
    rules = rules_
    queue = queue_


@external
def schedule(account: address, target: address, data: Bytes[1024]) -> bytes32:
    assert staticcall IPolicyAccount(account).role_of(msg.sender) == _OWNER, "changes: not the owner"
    assert target in [account, rules, queue], "changes: no such target"
    # An account takes links from here; what is in them is not for its owner to write.
    assert slice(data, 0, 4) != _NOTE, "changes: not a setter"
    # Rules and queue serve all accounts: a change speaks of the account that announced it, in its first argument.
    assert target == account or extract32(data, 4, output_type=address) == account, "changes: another account"
    change: bytes32 = self._change(account, target, data)
    raise_delay_s: uint32 = 0
    unfreeze_delay_s: uint32 = 0
    raise_delay_s, unfreeze_delay_s = staticcall IPolicyAccount(account).delays()
    due: uint256 = block.timestamp + convert(raise_delay_s, uint256)

    self._dues[change] = due

    log IPolicyChanges.ChangeScheduled(
        change=change, account=account, target=target, due=convert(due, uint64), data=data
    )
    if target == account and self._is_dismissal(data):
        self._dismiss(account, target, data, due + _OUTLASTING_S)
    extcall IPolicyAccount(account).note(_KIND_POLICY, target, change)
    return change


@external
def apply(account: address, target: address, data: Bytes[1024]):
    change: bytes32 = self._change(account, target, data)
    due: uint256 = self._due(account, target, data)
    assert due != 0, "changes: not scheduled"
    assert block.timestamp >= due, "changes: too early"
    assert block.timestamp <= due + _VALID_S, "changes: expired"

    self._dues[change] = 0
    self._dismissals[self._dismissal(account, target, data)] = 0

    log IPolicyChanges.ChangeApplied(change=change, account=account)
    raw_call(target, data)


@external
def cancel(account: address, target: address, data: Bytes[1024]):
    role: uint8 = staticcall IPolicyAccount(account).role_of(msg.sender)
    assert role == _OWNER or role == _GUARDIAN, "changes: not a guardian"
    change: bytes32 = self._change(account, target, data)
    due: uint256 = self._dues[change]
    if role == _OWNER:
        due = self._due(account, target, data)
        self._dismissals[self._dismissal(account, target, data)] = 0
    assert due != 0, "changes: not scheduled"

    self._dues[change] = 0

    log IPolicyChanges.ChangeCancelled(change=change, account=account, by=msg.sender)
    extcall IPolicyAccount(account).note(_KIND_POLICY, target, change)


@view
@external
def due_at(account: address, target: address, data: Bytes[1024]) -> uint64:
    return convert(self._due(account, target, data), uint64)


@internal
def _dismiss(account: address, target: address, data: Bytes[1024], due: uint256):
    dismissal: bytes32 = self._dismissal(account, target, data)
    if block.timestamp <= self._dismissals[dismissal] + _VALID_S:
        return  # its time runs already
    self._dismissals[dismissal] = due
    log IPolicyChanges.DismissalScheduled(
        account=account, guardian=extract32(data, 4, output_type=address), due=convert(due, uint64)
    )


@view
@internal
def _due(account: address, target: address, data: Bytes[1024]) -> uint256:
    due: uint256 = self._dues[self._change(account, target, data)]
    if due != 0 and block.timestamp <= due + _VALID_S:
        return due
    dismissed: uint256 = self._dismissals[self._dismissal(account, target, data)]
    return dismissed if dismissed != 0 else due


@pure
@internal
def _is_dismissal(data: Bytes[1024]) -> bool:
    return (
        len(data) == 100
        and slice(data, 0, 4) == _SET_ROLE
        and extract32(data, 36, output_type=uint256) == convert(_GUARDIAN, uint256)
        and extract32(data, 68, output_type=uint256) == 0
    )


@view
@internal
def _dismissal(account: address, target: address, data: Bytes[1024]) -> bytes32:
    # As a change's id, but for the epoch, which every guardian can end.
    return keccak256(abi_encode(account, staticcall IPolicyAccount(account).owner(), target, keccak256(data)))


@view
@internal
def _change(account: address, target: address, data: Bytes[1024]) -> bytes32:
    # What one owner announced is not for the next to find applied.
    return keccak256(
        abi_encode(
            account,
            staticcall IPolicyAccount(account).owner(),
            staticcall IPolicyAccount(account).epoch(),
            target,
            keccak256(data),
        )
    )
