# pragma version 0.4.3
"""
@title   Anchors: the latest state of each log
@license Apache-2.0
@notice  Moves a log from one (size, root) to the next with a consistency proof. One word per log holds all that the
         hot path reads: the anchorer in bits 0 to 159, the size in 160 to 222, the time in 223 to 255 (until the year
         2242). A retired log has no anchorer, so the flag is looked up only when the sender is somebody else.
@custom:invariant The size only grows, and each (size, root) but the first was proved to extend the one before.
@custom:security  The first anchor is a claim. The contract cannot see a wrong size beside a right root; such a log can
                  prove nothing further and stops by its own hand.
"""

from ...interfaces import ILogAnchor
from .. import merkle
from . import logs

uses: logs

_ADDRESS_MASK: constant(uint256) = 2**160 - 1
_SIZE_SHIFT: constant(uint256) = 160
_SIZE_MASK: constant(uint256) = 2**63 - 1
_TIME_SHIFT: constant(uint256) = 223

_heads: HashMap[uint256, uint256]
_roots: HashMap[uint256, bytes32]


@external
def set_anchorer(log_id: uint256, anchorer: address):
    logs._check_owner(log_id)
    self._set_anchorer(log_id, anchorer)
    log ILogAnchor.AnchorerSet(log_id=log_id, anchorer=anchorer)


@external
def anchor(log_id: uint256, size: uint64, root: bytes32, proof: DynArray[bytes32, 63]):
    head: uint256 = self._heads[log_id]
    old_size: uint256 = head >> _SIZE_SHIFT & _SIZE_MASK
    new_size: uint256 = convert(size, uint256)
    if head & _ADDRESS_MASK != convert(msg.sender, uint256) or msg.sender == empty(address):
        word: uint256 = logs._words[log_id]
        assert word & logs._RETIRED == 0, "logs: retired"
        assert logs._owner_in(word) == msg.sender and word != 0, "anchors: not anchorer or owner"
    assert new_size > old_size, "anchors: size must grow"
    assert new_size <= _SIZE_MASK, "anchors: size too large"
    assert root != empty(bytes32), "anchors: empty root"
    if old_size == 0:
        assert len(proof) == 0, "anchors: not consistent"
    else:
        assert merkle._consistent(old_size, self._roots[log_id], new_size, root, proof), "anchors: not consistent"

    self._heads[log_id] = head & _ADDRESS_MASK | new_size << _SIZE_SHIFT | block.timestamp << _TIME_SHIFT
    self._roots[log_id] = root

    log ILogAnchor.Anchored(log_id=log_id, old_size=convert(old_size, uint64), size=size, root=root)


@view
@external
def latest(log_id: uint256) -> (uint64, bytes32, uint64):
    logs._existing(log_id)
    head: uint256 = self._heads[log_id]
    return self._size_in(head), self._root(log_id, head), convert(head >> _TIME_SHIFT, uint64)


@view
@external
def verify_inclusion(log_id: uint256, index: uint64, leaf_hash: bytes32, proof: DynArray[bytes32, 63]) -> bool:
    size: uint256 = self._heads[log_id] >> _SIZE_SHIFT & _SIZE_MASK
    return merkle._included(convert(index, uint256), size, self._roots[log_id], leaf_hash, proof)


@pure
@external
def consistent(
    old_size: uint64, old_root: bytes32, new_size: uint64, new_root: bytes32, proof: DynArray[bytes32, 63]
) -> bool:
    return merkle._consistent(convert(old_size, uint256), old_root, convert(new_size, uint256), new_root, proof)


@internal
def _set_anchorer(log_id: uint256, anchorer: address):
    self._heads[log_id] = self._heads[log_id] & ~_ADDRESS_MASK | convert(anchorer, uint256)


@view
@internal
def _root(log_id: uint256, head: uint256) -> bytes32:
    if self._size_in(head) == 0:
        return sha256(b"")
    return self._roots[log_id]


@pure
@internal
def _anchorer_in(head: uint256) -> address:
    return convert(head & _ADDRESS_MASK, address)


@pure
@internal
def _size_in(head: uint256) -> uint64:
    return convert(head >> _SIZE_SHIFT & _SIZE_MASK, uint64)
