# pragma version 0.4.3
"""
@title   Logs: names, owners, ends
@license Apache-2.0
@notice  Opens, transfers and retires logs. One word per log holds the owner in bits 0 to 159, the number of checkpoint
         keys in 160 to 191, the number of ticket signers in 192 to 223, and the retired flag in bit 224.
@custom:invariant (opener, origin) names one log for ever. A retired log never changes again. A successor was not
                  retired when it was named, so successors never run in a circle.
@custom:security  A transfer keeps anchorer, key and ticket signer, so that a log does not stop; the new owner looks.
"""

from ...interfaces import ILogAnchor

_OWNER_MASK: constant(uint256) = 2**160 - 1
_COUNT_MASK: constant(uint256) = 2**32 - 1
_KEYS_SHIFT: constant(uint256) = 160
_SIGNERS_SHIFT: constant(uint256) = 192
_RETIRED: constant(uint256) = 2**224

log_count: public(uint256)
_words: HashMap[uint256, uint256]
_origins: HashMap[uint256, String[128]]
_ids: HashMap[address, HashMap[String[128], uint256]]  # opener, origin
_pending: HashMap[uint256, address]
_successors: HashMap[uint256, uint256]


@view
@external
def log_of(opener: address, origin: String[128]) -> uint256:
    return self._ids[opener][origin]


@external
def offer_log(log_id: uint256, receiver: address):
    self._check_owner(log_id)
    self._pending[log_id] = receiver
    log ILogAnchor.LogOffered(log_id=log_id, receiver=receiver)


@external
def accept_log(log_id: uint256):
    word: uint256 = self._words[log_id]
    assert word & _RETIRED == 0, "logs: retired"
    # The zero address sends only in simulations, and no offer is an offer to it.
    assert self._pending[log_id] == msg.sender and msg.sender != empty(address), "logs: not offered"
    self._pending[log_id] = empty(address)
    self._words[log_id] = word & ~_OWNER_MASK | convert(msg.sender, uint256)
    log ILogAnchor.LogTransferred(log_id=log_id, sender=self._owner_in(word), receiver=msg.sender)


@internal
def _open(origin: String[128]) -> uint256:
    """
    @dev The log starts with one checkpoint key and one ticket signer, which the caller stores.
    """
    assert len(origin) != 0, "logs: empty origin"
    assert self._ids[msg.sender][origin] == 0, "logs: already open"
    log_id: uint256 = self.log_count + 1
    self.log_count = log_id
    self._ids[msg.sender][origin] = log_id
    self._origins[log_id] = origin
    self._words[log_id] = convert(msg.sender, uint256) | 1 << _KEYS_SHIFT | 1 << _SIGNERS_SHIFT
    return log_id


@internal
def _retire(log_id: uint256, successor: uint256):
    """
    @dev The caller has checked that the sender owns the log.
    """
    if successor != 0:
        next: uint256 = self._words[successor]
        assert successor != log_id and next != 0 and next & _RETIRED == 0, "logs: bad successor"
        self._successors[log_id] = successor
    self._words[log_id] |= _RETIRED
    self._pending[log_id] = empty(address)


@internal
def _next_key(log_id: uint256) -> uint256:
    """
    @dev Take the next key index.
    """
    word: uint256 = self._words[log_id]
    self._words[log_id] = word + (1 << _KEYS_SHIFT)
    return word >> _KEYS_SHIFT & _COUNT_MASK


@internal
def _next_signer(log_id: uint256) -> uint256:
    """
    @dev Take the next ticket signer index.
    """
    word: uint256 = self._words[log_id]
    self._words[log_id] = word + (1 << _SIGNERS_SHIFT)
    return word >> _SIGNERS_SHIFT & _COUNT_MASK


@view
@internal
def _check_owner(log_id: uint256):
    word: uint256 = self._words[log_id]
    assert word & _RETIRED == 0, "logs: retired"
    assert word != 0 and self._owner_in(word) == msg.sender, "logs: not the owner"


@view
@internal
def _existing(log_id: uint256) -> uint256:
    word: uint256 = self._words[log_id]
    assert word != 0, "logs: unknown log"
    return word


@pure
@internal
def _owner_in(word: uint256) -> address:
    return convert(word & _OWNER_MASK, address)


@pure
@internal
def _keys_in(word: uint256) -> uint256:
    return word >> _KEYS_SHIFT & _COUNT_MASK


@pure
@internal
def _signers_in(word: uint256) -> uint256:
    return word >> _SIGNERS_SHIFT & _COUNT_MASK
