# pragma version 0.4.3
"""
@title   Providers: keys and bonds
@license Apache-2.0
@notice  Who answers, with which signing key, under which bond. A term's word holds the signer in bits 0 to 159 and its
         start in 160 to 223; it ends where the next begins.
@custom:invariant A signing key belongs to one provider and has one term. A bond pays out only after the delay, or to a
                  proof. What is free for a new commitment is what is neither locked nor leaving.
@custom:security  One bond backs many requests, one after the other: all that proofs take is at most the bond.
"""

from ...interfaces import ICommittee
from .. import coins
from .. import signatures
from ..assurance import answers

uses: coins

# Longer than a request and its proofs together, which rounds and proofs bound by 3 and 3 days.
_WITHDRAWAL_DELAY_S: constant(uint256) = 7 * 86_400
_ADDRESS_MASK: constant(uint256) = 2**160 - 1
_START_SHIFT: constant(uint256) = 160
_KEY_TYPE: constant(bytes32) = keccak256("ProviderKey(address provider)")

_bonds: HashMap[address, uint256]
_locked: HashMap[address, uint256]
_leaving: HashMap[address, uint256]
_leaves_at: HashMap[address, uint256]
_counts: HashMap[address, uint256]
_terms: HashMap[address, HashMap[uint256, uint256]]  # provider, index
_owners: HashMap[address, address]                   # signing key to provider


@payable
@external
def register(signer: address, proof: Bytes[65], amount: uint256):
    assert self._counts[msg.sender] == 0, "providers: already registered"
    self._store(signer, proof)
    self._bonds[msg.sender] += amount
    log ICommittee.ProviderRegistered(provider=msg.sender, signer=signer)
    log ICommittee.BondAdded(provider=msg.sender, sender=msg.sender, amount=amount)
    coins._take(amount)


@external
def rotate_key(signer: address, proof: Bytes[65]) -> uint32:
    self._check_known(msg.sender)
    index: uint32 = convert(self._counts[msg.sender], uint32)
    self._store(signer, proof)
    log ICommittee.ProviderKeyRotated(provider=msg.sender, signer=signer, index=index)
    return index


@payable
@external
def top_up(provider: address, amount: uint256):
    self._check_known(provider)
    self._bonds[provider] += amount
    log ICommittee.BondAdded(provider=provider, sender=msg.sender, amount=amount)
    coins._take(amount)


@external
def announce_withdrawal(amount: uint256):
    assert amount <= self._free(msg.sender), "providers: bond too low"

    leaving: uint256 = self._leaving[msg.sender] + amount
    leaves_at: uint256 = block.timestamp + _WITHDRAWAL_DELAY_S

    self._leaving[msg.sender] = leaving
    self._leaves_at[msg.sender] = leaves_at

    log ICommittee.WithdrawalAnnounced(
        provider=msg.sender, amount=amount, leaves_at=convert(leaves_at, uint64)
    )


@external
def withdraw_bond() -> uint256:
    # A proof may have taken from what was leaving, and what is locked stays.
    amount: uint256 = min(self._leaving[msg.sender], self._unlocked(msg.sender))
    assert block.timestamp >= self._leaves_at[msg.sender], "providers: too early"
    assert amount != 0, "providers: nothing to withdraw"

    self._leaving[msg.sender] = 0
    self._bonds[msg.sender] -= amount

    log ICommittee.BondWithdrawn(provider=msg.sender, amount=amount)
    coins._send(msg.sender, amount)
    return amount


@view
@external
def provider_at(provider: address) -> ICommittee.Provider:
    return ICommittee.Provider(
        signer=self._signer(provider),
        signer_count=convert(self._counts[provider], uint32),
        bond=self._bonds[provider],
        locked=self._locked[provider],
        leaving=self._leaving[provider],
        leaves_at=convert(self._leaves_at[provider], uint64),
    )


@view
@external
def provider_key_at(provider: address, index: uint32) -> ICommittee.ProviderKey:
    at: uint256 = convert(index, uint256)
    assert at < self._counts[provider], "providers: unknown key"
    term: uint256 = self._terms[provider][at]
    return ICommittee.ProviderKey(
        signer=convert(term & _ADDRESS_MASK, address),
        since=convert(term >> _START_SHIFT, uint64),
        until=convert(self._terms[provider][at + 1] >> _START_SHIFT, uint64),
    )


@view
@external
def key_digest(provider: address) -> bytes32:
    return self._key_digest(provider)


@pure
@external
def withdrawal_delay_s() -> uint256:
    return _WITHDRAWAL_DELAY_S


@internal
def _store(signer: address, proof: Bytes[65]):
    assert self._owners[signer] == empty(address), "providers: key already used"
    assert (
        signer != empty(address) and signatures._recovered(self._key_digest(msg.sender), proof) == signer
    ), "providers: no proof of the key"
    index: uint256 = self._counts[msg.sender]
    self._owners[signer] = msg.sender
    self._counts[msg.sender] = index + 1
    self._terms[msg.sender][index] = convert(signer, uint256) | block.timestamp << _START_SHIFT


@internal
def _lock(provider: address, amount: uint256):
    assert amount <= self._free(provider), "providers: bond too low"
    self._locked[provider] += amount


@internal
def _unlock(provider: address, amount: uint256):
    # Never reverts: a proof may have left less than was locked, and no request may hang on that.
    self._locked[provider] -= min(amount, self._locked[provider])


@internal
def _take(provider: address, amount: uint256) -> uint256:
    """
    @dev Take at most `amount` from a bond and return what was there. The caller gives it on, or burns it.
    """
    taken: uint256 = min(amount, self._bonds[provider])
    self._bonds[provider] -= taken
    return taken


@view
@internal
def _check_known(provider: address):
    assert self._counts[provider] != 0, "providers: unknown provider"


@view
@internal
def _signer(provider: address) -> address:
    count: uint256 = self._counts[provider]
    if count == 0:
        return empty(address)
    return convert(self._terms[provider][count - 1] & _ADDRESS_MASK, address)


@view
@internal
def _weight(provider: address) -> uint256:
    """
    @dev What stands behind a provider's word: its bond without what is leaving.
    """
    bond: uint256 = self._bonds[provider]
    return bond - min(bond, self._leaving[provider])


@view
@internal
def _free(provider: address) -> uint256:
    weight: uint256 = self._weight(provider)
    return weight - min(weight, self._locked[provider])


@view
@internal
def _unlocked(provider: address) -> uint256:
    bond: uint256 = self._bonds[provider]
    return bond - min(bond, self._locked[provider])


@view
@internal
def _key_digest(provider: address) -> bytes32:
    return answers._typed(keccak256(abi_encode(_KEY_TYPE, provider)))
