# pragma version 0.4.3
"""
@title   Checkpoint keys of logs, with their history
@license Apache-2.0
@notice  Which Ed25519 key signs a log's checkpoints, and from which anchored size and time on. A term's word holds the
         size in bits 0 to 63 and the time in 64 to 127; it ends where the next begins.
@custom:invariant A log always has a key; terms follow one another without gap or overlap.
@custom:security  The chain cannot check Ed25519: a listed key proves itself by signing checkpoints of the origin.
"""

from ...interfaces import ILogAnchor
from . import anchors
from . import logs

uses: logs
uses: anchors

_U64: constant(uint256) = 2**64 - 1

_vkeys: HashMap[uint256, HashMap[uint256, bytes32]]   # log, index
_starts: HashMap[uint256, HashMap[uint256, uint256]]  # log, index


@external
def rotate_key(log_id: uint256, vkey: bytes32) -> uint32:
    logs._check_owner(log_id)
    index: uint256 = logs._next_key(log_id)
    assert vkey != self._vkeys[log_id][index - 1], "vkeys: unchanged"
    size: uint64 = anchors._size_in(anchors._heads[log_id])
    self._store(log_id, index, vkey, size)
    log ILogAnchor.LogKeyRotated(log_id=log_id, index=convert(index, uint32), vkey=vkey, since_size=size)
    return convert(index, uint32)


@view
@external
def key_at(log_id: uint256, index: uint32) -> ILogAnchor.LogKey:
    count: uint256 = logs._keys_in(logs._words[log_id])
    at: uint256 = convert(index, uint256)
    assert at < count, "vkeys: unknown key"
    start: uint256 = self._starts[log_id][at]
    end: uint256 = 0
    if at + 1 < count:
        end = self._starts[log_id][at + 1]
    return ILogAnchor.LogKey(
        vkey=self._vkeys[log_id][at],
        since_size=convert(start & _U64, uint64),
        until_size=convert(end & _U64, uint64),
        since=convert(start >> 64, uint64),
        until=convert(end >> 64, uint64),
    )


@internal
def _store(log_id: uint256, index: uint256, vkey: bytes32, size: uint64):
    assert vkey != empty(bytes32), "vkeys: empty key"
    self._vkeys[log_id][index] = vkey
    self._starts[log_id][index] = convert(size, uint256) | block.timestamp << 64
