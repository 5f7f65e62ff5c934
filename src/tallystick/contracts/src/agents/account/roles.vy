# pragma version 0.4.3
"""
@title   Roles: who holds what key, and how long power waits
@license Apache-2.0
@notice  One word of state: epoch in bits 0 to 31, end of the freeze in 32 to 95, the owner's last heartbeat in 96 to 159,
         delay of raises in 160 to 191, delay of unfreezing in 192 to 223, whether the account is sealed in 224.
@custom:invariant A key has one role at a time. The epoch only grows. Sealed is for ever.
"""

from ....interfaces import IPolicyAccount
from . import audit
from . import companions

uses: audit
uses: companions

_GUARDIAN: constant(uint8) = 1
_APPROVER: constant(uint8) = 2
_OWNER: constant(uint8) = 3
_SESSION: constant(uint8) = 4
_HOLDERS_MAX: constant(uint8) = 8
_RAISE_DELAY_S_MIN: constant(uint256) = 3_600
_FREEZE_S_MAX: constant(uint256) = 7 * 86_400
_LONGEST_FREEZE_S: constant(uint256) = 366 * 86_400
_DELAY_S_MAX: constant(uint256) = 366 * 86_400  # longer ones count at once, and only a raise makes them shorter again
_KIND_POLICY: constant(uint8) = 9
_KIND_FREEZE: constant(uint8) = 11
_KIND_UNFREEZE: constant(uint8) = 12
_KIND_EPOCH: constant(uint8) = 13
_M32: constant(uint256) = 2**32 - 1
_M64: constant(uint256) = 2**64 - 1
_FROZEN: constant(uint256) = 32
_HEARTBEAT: constant(uint256) = 96
_RAISE: constant(uint256) = 160
_UNFREEZE: constant(uint256) = 192
_SEALED: constant(uint256) = 224

owner: public(address)
heir: public(address)
_roles: HashMap[address, uint8]
_holders: HashMap[uint8, uint8]
_word: uint256


@external
def set_delays(raise_delay_s: uint32, unfreeze_delay_s: uint32):
    raise_s: uint256 = convert(raise_delay_s, uint256)
    unfreeze_s: uint256 = convert(unfreeze_delay_s, uint256)
    self._check_setter(raise_s < self._part(_RAISE, _M32) or unfreeze_s < self._part(_UNFREEZE, _M32))
    self._set_delays(raise_s, unfreeze_s)


@external
def set_role(account: address, role: uint8, is_held: bool):
    self._check_setter(True)
    self._set_role(account, role, is_held)


@external
def offer_ownership(heir: address):
    self._check_setter(heir != empty(address))
    assert self._roles[heir] == 0, "roles: key has another role"
    self.heir = heir
    log IPolicyAccount.OwnershipOffered(heir=heir)
    audit._note(_KIND_POLICY, heir, keccak256("heir"))


@external
def accept_ownership():
    assert msg.sender == self.heir, "roles: not the heir"
    previous: address = self.owner
    self._roles[previous] = 0
    self._own(msg.sender, previous)
    audit._note(_KIND_POLICY, msg.sender, keccak256("owner"))


@external
def heartbeat():
    self._check_owner()
    self._put(_HEARTBEAT, _M64, block.timestamp)
    log IPolicyAccount.Heartbeat(at=convert(block.timestamp, uint64))


@external
def bump_epoch():
    self._check_guardian()
    epoch: uint32 = self._next_epoch()
    log IPolicyAccount.EpochBumped(epoch=epoch)
    audit._note(_KIND_EPOCH, msg.sender, convert(convert(epoch, uint256), bytes32))


@external
def freeze(duration_s: uint32):
    self._check_guardian()
    length: uint256 = convert(duration_s, uint256)
    assert length <= _FREEZE_S_MAX, "roles: freeze too long"
    until: uint256 = max(self._part(_FROZEN, _M64), block.timestamp + length)
    epoch: uint32 = self._next_epoch()
    self._put(_FROZEN, _M64, until)
    log IPolicyAccount.Frozen(by=msg.sender, until=convert(until, uint64), epoch=epoch)
    audit._note(_KIND_FREEZE, msg.sender, convert(until, bytes32))


@external
def extend_freeze(until: uint64):
    self._check_owner()
    end: uint256 = convert(until, uint256)
    assert end >= self._running_freeze() and end <= block.timestamp + _LONGEST_FREEZE_S, "roles: freeze too long"
    self._end_freeze(end, _KIND_FREEZE)


@external
def unfreeze():
    self._check_owner()
    self._end_freeze(
        min(self._running_freeze(), block.timestamp + self._part(_UNFREEZE, _M32)), _KIND_UNFREEZE
    )


@external
def seal():
    self._check_owner()
    assert not self._is_sealed(), "roles: already sealed"
    self._put(_SEALED, 1, 1)
    self._put(_HEARTBEAT, _M64, block.timestamp)
    log IPolicyAccount.Sealed(raise_delay_s=convert(self._part(_RAISE, _M32), uint32))
    audit._note(_KIND_POLICY, self, keccak256("sealed"))


@external
def note(kind: uint8, target: address, data_hash: bytes32):
    assert msg.sender in [companions.rules, companions.queue, companions.changes], "roles: not a companion"
    audit._note(kind, target, data_hash)


@view
@external
def check_setter(caller: address, is_raise: bool) -> bool:
    self._check_setter_by(caller, is_raise)
    return True


@view
@external
def role_of(account: address) -> uint8:
    return self._roles[account]


@view
@external
def epoch() -> uint32:
    return convert(self._word & _M32, uint32)


@view
@external
def is_sealed() -> bool:
    return self._is_sealed()


@view
@external
def frozen_until() -> uint64:
    return convert(self._part(_FROZEN, _M64), uint64)


@view
@external
def last_heartbeat() -> uint64:
    return convert(self._part(_HEARTBEAT, _M64), uint64)


@view
@external
def delays() -> (uint32, uint32):
    return convert(self._part(_RAISE, _M32), uint32), convert(self._part(_UNFREEZE, _M32), uint32)


@internal
def _own(owner: address, previous: address):
    self._claim(owner, _OWNER)
    self.owner = owner
    self.heir = empty(address)
    log IPolicyAccount.OwnerChanged(owner=owner, previous=previous)


@internal
def _claim(key: address, role: uint8):
    assert key != empty(address) and key != self and self._roles[key] == 0, "roles: key has another role"
    self._roles[key] = role


@internal
def _set_role(account: address, role: uint8, is_held: bool):
    assert role == _GUARDIAN or role == _APPROVER, "roles: no such role"
    if is_held:
        self._claim(account, role)
        self._holders[role] += 1
        assert self._holders[role] <= _HOLDERS_MAX, "roles: too many"
    else:
        assert self._roles[account] == role, "roles: no change"
        self._roles[account] = 0
        self._holders[role] -= 1
    log IPolicyAccount.RoleSet(account=account, role=role, is_held=is_held)
    audit._note(_KIND_POLICY, account, keccak256(abi_encode(role, is_held)))


@internal
def _set_delays(raise_s: uint256, unfreeze_s: uint256):
    assert raise_s >= _RAISE_DELAY_S_MIN, "roles: delay too short"
    assert raise_s <= _DELAY_S_MAX and unfreeze_s <= _DELAY_S_MAX, "roles: delay too long"
    self._put(_RAISE, _M32, raise_s)
    self._put(_UNFREEZE, _M32, unfreeze_s)
    log IPolicyAccount.DelaysSet(
        raise_delay_s=convert(raise_s, uint32), unfreeze_delay_s=convert(unfreeze_s, uint32)
    )
    audit._note(_KIND_POLICY, self, keccak256(abi_encode(raise_s, unfreeze_s)))


@internal
def _end_freeze(until: uint256, kind: uint8):
    self._put(_FROZEN, _M64, until)
    log IPolicyAccount.FreezeMoved(until=convert(until, uint64))
    audit._note(kind, msg.sender, convert(until, bytes32))


@internal
def _next_epoch() -> uint32:
    self.heir = empty(address)
    self._word += 1  # four thousand million epochs do not happen
    return convert(self._word & _M32, uint32)


@view
@internal
def _running_freeze() -> uint256:
    until: uint256 = self._part(_FROZEN, _M64)
    assert until > block.timestamp, "roles: not frozen"
    return until


@view
@internal
def _check_owner():
    assert msg.sender == self.owner, "roles: not the owner"


@view
@internal
def _check_guardian():
    assert msg.sender == self.owner or self._roles[msg.sender] == _GUARDIAN, "roles: not a guardian"


@view
@internal
def _check_setter(is_raise: bool):
    self._check_setter_by(msg.sender, is_raise)


@view
@internal
def _check_setter_by(caller: address, is_raise: bool):
    if caller == companions.changes:
        return  # a scheduled change whose time has come
    assert caller == self.owner, "roles: not the owner"
    assert not is_raise or not self._is_sealed(), "roles: must be scheduled"


@view
@internal
def _check_not_frozen():
    assert self._part(_FROZEN, _M64) <= block.timestamp, "roles: frozen"


@view
@internal
def _is_sealed() -> bool:
    return self._part(_SEALED, 1) == 1


@view
@internal
def _part(place: uint256, mask: uint256) -> uint256:
    return (self._word >> place) & mask


@internal
def _put(place: uint256, mask: uint256, amount: uint256):
    self._word = self._word & ~(mask << place) | amount << place
