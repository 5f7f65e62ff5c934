# pragma version 0.4.3
"""
@title   Sessions: the keys of agents and what they may do alone
@license Apache-2.0
@notice  A session's word holds level in bits 0 to 7, start in 8 to 55, end in 56 to 103, epoch in 104 to 135, operations
         in a period in 136 to 151, that period in 152 to 183, denials in a window in 184 to 191, that window in 192 to
         223, and the owner's silence in 224 to 255. Its counters: operations in bits 0 to 15 since 16 to 63, denials
         in 64 to 79 since 80 to 127. Its slots: token in 0 to 159, number in 160 to 191, period in 192 to 223.
@custom:invariant A session acts only in the epoch in which it was granted, within its window, sealed and not frozen. Its
                  level rises only by a scheduled change and falls at once.
"""

from ....interfaces import IPolicyAccount
from . import audit
from . import buckets
from . import companions
from . import roles

uses: audit
uses: buckets
uses: companions
uses: roles

_PROPOSE: constant(uint256) = 1
_BOUNDED: constant(uint256) = 2
_AUTONOMOUS: constant(uint8) = 4
_ASKED: constant(uint8) = 1
_DENIALS: constant(uint8) = 2
_OPERATIONS: constant(uint8) = 3
_HEARTBEAT: constant(uint8) = 4
_KIND_SESSION: constant(uint8) = 10
_M8: constant(uint256) = 2**8 - 1
_M16: constant(uint256) = 2**16 - 1
_M32: constant(uint256) = 2**32 - 1
_M48: constant(uint256) = 2**48 - 1
_M160: constant(uint256) = 2**160 - 1

_words: HashMap[address, uint256]
_counters: HashMap[address, uint256]
_slots: HashMap[address, uint256]
_slot_caps: HashMap[address, uint128]
_mandates: HashMap[address, bytes32]


@external
def grant_session(session: address, terms: IPolicyAccount.Session):
    roles._check_setter(True)
    roles._check_not_frozen()
    assert (
        terms.level <= _AUTONOMOUS
        and terms.valid_after < terms.valid_until
        and convert(terms.valid_until, uint256) <= _M48
        and terms.ops_max < max_value(uint16)
        and terms.ops_period_s != 0
        and (terms.denials_max == 0 or terms.denials_window_s != 0)
        and (terms.slots == 0 or terms.slot_period_s != 0)
    ), "sessions: bad terms"
    roles._claim(session, roles._SESSION)
    epoch: uint256 = roles._word & _M32
    self._words[session] = (
        convert(terms.level, uint256)
        | convert(terms.valid_after, uint256) << 8
        | convert(terms.valid_until, uint256) << 56
        | epoch << 104
        | convert(terms.ops_max, uint256) << 136
        | convert(terms.ops_period_s, uint256) << 152
        | convert(terms.denials_max, uint256) << 184
        | convert(terms.denials_window_s, uint256) << 192
        | convert(terms.heartbeat_s, uint256) << 224
    )
    self._counters[session] = 0
    self._slots[session] = (
        convert(terms.slot_token, uint256)
        | convert(terms.slots, uint256) << 160
        | convert(terms.slot_period_s, uint256) << 192
    )
    self._slot_caps[session] = terms.slot_cap
    self._mandates[session] = terms.mandate_hash
    log IPolicyAccount.SessionGranted(session=session, epoch=convert(epoch, uint32), terms=terms)
    self._note(session, keccak256(abi_encode(terms)))


@external
def revoke_session(session: address):
    if msg.sender != session:
        roles._check_guardian()
    self._known(session)
    self._end(session)
    log IPolicyAccount.SessionRevoked(session=session, by=msg.sender)
    self._note(session, keccak256("revoked"))


@external
def rotate_session(session: address, successor: address):
    roles._check_owner()
    word: uint256 = self._words[session]
    assert self._is_live(word), "sessions: not live"
    roles._claim(successor, roles._SESSION)
    self._words[successor] = word
    self._counters[successor] = self._counters[session]
    self._slots[successor] = self._slots[session]
    self._slot_caps[successor] = self._slot_caps[session]
    self._mandates[successor] = self._mandates[session]
    buckets._move(session, successor)
    self._end(session)
    log IPolicyAccount.SessionRotated(session=session, successor=successor)
    self._note(session, convert(successor, bytes32))


@external
def set_level(session: address, level: uint8):
    word: uint256 = self._known(session)
    assert level <= _AUTONOMOUS, "sessions: bad terms"
    if convert(level, uint256) > word & _M8:
        roles._check_setter(True)
    elif msg.sender != session and msg.sender != companions.changes:
        roles._check_guardian()
    self._set_level(session, word, level, _ASKED)


@view
@external
def live_level(session: address) -> uint8:
    return convert(self._gate(session, 0) & _M8, uint8)


@view
@external
def session_of(session: address) -> IPolicyAccount.Session:
    word: uint256 = self._words[session]
    slots: uint256 = self._slots[session]
    return IPolicyAccount.Session(
        level=convert(word & _M8, uint8),
        valid_after=convert((word >> 8) & _M48, uint64),
        valid_until=convert((word >> 56) & _M48, uint64),
        ops_max=convert((word >> 136) & _M16, uint16),
        ops_period_s=convert((word >> 152) & _M32, uint32),
        denials_max=convert((word >> 184) & _M8, uint8),
        denials_window_s=convert((word >> 192) & _M32, uint32),
        heartbeat_s=convert(word >> 224, uint32),
        slots=convert((slots >> 160) & _M32, uint32),
        slot_period_s=convert(slots >> 192, uint32),
        slot_cap=self._slot_caps[session],
        slot_token=convert(slots & _M160, address),
        mandate_hash=self._mandates[session],
    )


@view
@external
def state_of(session: address) -> IPolicyAccount.SessionState:
    word: uint256 = self._words[session]
    counters: uint256 = self._counters[session]
    return IPolicyAccount.SessionState(
        is_live=self._is_live(word),
        epoch=convert((word >> 104) & _M32, uint32),
        ops=convert(counters & _M16, uint16),
        ops_since=convert((counters >> 16) & _M48, uint64),
        denials=convert((counters >> 64) & _M16, uint16),
        denials_since=convert(counters >> 80, uint64),
    )


@view
@internal
def _gate(session: address, level_min: uint256) -> uint256:
    """
    @dev Return the word of a session that has a say now, or revert.
    """
    roles._check_not_frozen()
    word: uint256 = self._words[session]
    assert self._is_live(word), "sessions: not live"
    self._check_level(word, level_min)
    return word


@view
@internal
def _check_level(word: uint256, level_min: uint256):
    assert roles._is_sealed(), "sessions: not sealed"
    assert word & _M8 >= level_min, "sessions: level too low"


@view
@internal
def _is_live(word: uint256) -> bool:
    return (
        self._is_of_epoch(word)
        and (word >> 8) & _M48 <= block.timestamp
        and block.timestamp <= (word >> 56) & _M48
    )


@view
@internal
def _is_of_epoch(word: uint256) -> bool:
    return word != 0 and (word >> 104) & _M32 == roles._word & _M32


@internal
def _count(session: address, word: uint256) -> String[64]:
    """
    @dev Count an operation; return why it may not be, having lowered the session's level, or nothing.
    """
    if block.timestamp > self._heard_until(word):
        self._set_level(session, word, 1, _HEARTBEAT)
        return "sessions: owner is silent"
    counters: uint256 = self._counters[session]
    counted: uint256 = self._one_more(counters, (word >> 152) & _M32)
    if counted & _M16 > (word >> 136) & _M16:
        self._set_level(session, word, 1, _OPERATIONS)
        return "sessions: too many operations"
    self._counters[session] = counters >> 64 << 64 | counted
    return ""


@view
@internal
def _heard_until(word: uint256) -> uint256:
    """
    @dev Return when the owner will have been silent for too long; the end of all time where it may be silent.
    """
    silence_s: uint256 = word >> 224
    if silence_s == 0:
        return _M48
    return roles._part(roles._HEARTBEAT, roles._M64) + silence_s


@internal
def _deny(session: address, word: uint256, reason: String[64], is_counted: bool):
    counters: uint256 = self._counters[session]
    denials: uint256 = counters >> 64
    if is_counted:
        denials = self._one_more(denials, (word >> 192) & _M32)
        self._counters[session] = counters & (2**64 - 1) | denials << 64
        limit: uint256 = (word >> 184) & _M8
        if limit != 0 and denials & _M16 >= limit:
            self._set_level(session, word, 1, _DENIALS)
    log IPolicyAccount.Denied(session=session, reason=reason, count=convert(denials & _M16, uint16))


@internal
def _set_level(session: address, word: uint256, level: uint8, cause: uint8):
    previous: uint8 = convert(word & _M8, uint8)
    self._words[session] = word >> 8 << 8 | convert(level, uint256)
    log IPolicyAccount.LevelSet(session=session, level=level, previous=previous, cause=cause)
    self._note(session, keccak256(abi_encode(level, previous, cause)))


@internal
def _end(session: address):
    self._words[session] = 0
    self._slots[session] = 0
    roles._roles[session] = 0


@internal
def _note(session: address, data_hash: bytes32):
    audit._note(_KIND_SESSION, session, data_hash)


@view
@internal
def _known(session: address) -> uint256:
    word: uint256 = self._words[session]
    assert word != 0, "sessions: unknown session"
    return word


@view
@internal
def _one_more(counter: uint256, window_s: uint256) -> uint256:
    """
    @dev A counter is 16 bits, then 48 bits of when its window began; it stays at its most.
    """
    since: uint256 = (counter >> 16) & _M48
    if block.timestamp >= since + window_s:
        return 1 | block.timestamp << 16
    return min((counter & _M16) + 1, _M16) | since << 16
