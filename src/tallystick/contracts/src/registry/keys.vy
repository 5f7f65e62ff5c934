# pragma version 0.4.3
"""
@title   Ed25519 signing keys of accounts, with their history
@license Apache-2.0
@notice  An account has at most one active key. Rotation and revocation close a key's lifetime but never remove it, so
         whoever trusts only the chain can tell whose key it was at a given block. Lifetimes are packed in one word:
         since in bits 0 to 63, until in 64 to 127, revoked in 128 to 191.
@custom:invariant Lifetimes of one account do not overlap, and a key has one lifetime per account.
@custom:security  Anyone may list any key: the chain cannot check Ed25519. A key proves itself by signing a statement
                  that names the account; a stranger who lists it can sign nothing.
"""

from ...interfaces import IModelRegistry

_ACTIVE: constant(uint256) = 2**32   # flag beside the count of keys
_COUNT_MASK: constant(uint256) = 2**32 - 1
_TIME_MASK: constant(uint256) = 2**64 - 1

_accounts: HashMap[address, uint256]                      # count of keys, and whether the last is active
_keys: HashMap[address, HashMap[uint256, bytes32]]        # account, index
_lifetimes: HashMap[address, HashMap[uint256, uint256]]   # account, index
_positions: HashMap[address, HashMap[bytes32, uint256]]   # account, key: index + 1


@external
def rotate_key(key: bytes32) -> uint32:
    assert key != empty(bytes32), "keys: empty key"
    assert self._positions[msg.sender][key] == 0, "keys: already used"

    account: uint256 = self._accounts[msg.sender]
    index: uint256 = account & _COUNT_MASK
    if account & _ACTIVE != 0:
        self._lifetimes[msg.sender][index - 1] |= block.timestamp << 64
    self._accounts[msg.sender] = index + 1 | _ACTIVE
    self._keys[msg.sender][index] = key
    self._lifetimes[msg.sender][index] = block.timestamp
    self._positions[msg.sender][key] = index + 1

    log IModelRegistry.KeyRotated(account=msg.sender, index=convert(index, uint32), key=key)
    return convert(index, uint32)


@external
def revoke_key(index: uint32, reason: String[160]):
    account: uint256 = self._accounts[msg.sender]
    count: uint256 = account & _COUNT_MASK
    at: uint256 = convert(index, uint256)
    assert at < count, "keys: unknown key"
    lifetime: uint256 = self._lifetimes[msg.sender][at]
    assert lifetime >> 128 == 0, "keys: already revoked"

    if account & _ACTIVE != 0 and at == count - 1:
        self._accounts[msg.sender] = count
        lifetime |= block.timestamp << 64
    self._lifetimes[msg.sender][at] = lifetime | block.timestamp << 128

    log IModelRegistry.KeyRevoked(account=msg.sender, index=index, key=self._keys[msg.sender][at], reason=reason)


@view
@external
def key_count(account: address) -> uint32:
    return convert(self._accounts[account] & _COUNT_MASK, uint32)


@view
@external
def key_at(account: address, index: uint32) -> IModelRegistry.Key:
    at: uint256 = convert(index, uint256)
    assert at < self._accounts[account] & _COUNT_MASK, "keys: unknown key"
    lifetime: uint256 = self._lifetimes[account][at]
    return IModelRegistry.Key(
        key=self._keys[account][at],
        since=convert(lifetime & _TIME_MASK, uint64),
        until=convert(lifetime >> 64 & _TIME_MASK, uint64),
        revoked=convert(lifetime >> 128, uint64),
    )


@view
@external
def key_index(account: address, key: bytes32) -> uint32:
    position: uint256 = self._positions[account][key]
    assert position != 0, "keys: unknown key"
    return convert(position - 1, uint32)


@view
@external
def active_key(account: address) -> bytes32:
    word: uint256 = self._accounts[account]
    if word & _ACTIVE == 0:
        return empty(bytes32)
    return self._keys[account][(word & _COUNT_MASK) - 1]


@view
@internal
def _active_index(account: address) -> uint256:
    word: uint256 = self._accounts[account]
    assert word & _ACTIVE != 0, "keys: no active key"
    return (word & _COUNT_MASK) - 1
