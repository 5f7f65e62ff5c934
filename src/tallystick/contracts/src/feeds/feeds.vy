# pragma version 0.4.3
"""
@title   Sources of features and their keys
@license Apache-2.0
@notice  Registers sources, rotates their keys, and checks signed readings. A term's word holds the signer in bits 0 to
         159 and its start in 160 to 223; it ends where the next begins.
@custom:invariant Terms follow one another without gap; a reading counts only under the key of now, so the end of a term
                  ends whatever its key signed. A source whose key is zero is ended for good.
@custom:security  The time in a reading is its signer's word, held against the chain's clock: not later than now, not
                  older than asked. A source can lie about the world; it cannot be somebody else.
"""

from ...interfaces import ISignedFeeds
from .. import signatures

_ADDRESS_MASK: constant(uint256) = 2**160 - 1
_START_SHIFT: constant(uint256) = 160
_NAME: constant(String[32]) = "Tallystick Feeds"
_VERSION: constant(String[8]) = "1"
_DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_READING_TYPE: constant(bytes32) = keccak256(
    "FeedReading(uint256 sourceId,bytes32 subject,bytes features,uint64 observedAt)"
)

source_count: public(uint256)
_owners: HashMap[uint256, address]
_names: HashMap[uint256, String[64]]
_counts: HashMap[uint256, uint256]
_terms: HashMap[uint256, HashMap[uint256, uint256]]  # source, index


@external
def register_source(name: String[64], signer: address) -> uint256:
    assert len(name) != 0, "feeds: empty name"
    assert signer != empty(address), "feeds: empty key"

    source_id: uint256 = self.source_count + 1

    self.source_count = source_id
    self._owners[source_id] = msg.sender
    self._names[source_id] = name
    self._store(source_id, 0, signer)

    log ISignedFeeds.SourceRegistered(source_id=source_id, owner=msg.sender, name=name, signer=signer)
    return source_id


@external
def rotate_source_key(source_id: uint256, signer: address) -> uint32:
    assert self._owners[source_id] == msg.sender, "feeds: not the owner"
    current: address = self._signer(source_id)
    assert current != empty(address), "feeds: ended"
    assert signer != current, "feeds: unchanged"

    index: uint256 = self._counts[source_id]

    self._store(source_id, index, signer)

    log ISignedFeeds.SourceKeyRotated(source_id=source_id, signer=signer, index=convert(index, uint32))
    return convert(index, uint32)


@view
@external
def source_at(source_id: uint256) -> ISignedFeeds.FeedSource:
    owner: address = self._owners[source_id]
    assert owner != empty(address), "feeds: unknown source"
    return ISignedFeeds.FeedSource(
        owner=owner,
        signer=self._signer(source_id),
        name=self._names[source_id],
        signer_count=convert(self._counts[source_id], uint32),
    )


@view
@external
def source_signer_at(source_id: uint256, index: uint32) -> ISignedFeeds.FeedSigner:
    at: uint256 = convert(index, uint256)
    assert at < self._counts[source_id], "feeds: unknown key"
    term: uint256 = self._terms[source_id][at]
    return ISignedFeeds.FeedSigner(
        signer=convert(term & _ADDRESS_MASK, address),
        since=convert(term >> _START_SHIFT, uint64),
        until=convert(self._terms[source_id][at + 1] >> _START_SHIFT, uint64),
    )


@view
@external
def check_features(
    source_id: uint256,
    subject: bytes32,
    features: Bytes[8192],
    observed_at: uint64,
    max_age_s: uint32,
    proof: Bytes[1024],
) -> bool:
    signer: address = self._signer(source_id)
    at: uint256 = convert(observed_at, uint256)
    assert signer != empty(address), "feeds: ended"
    assert at <= block.timestamp, "feeds: from the future"
    assert block.timestamp - at <= convert(max_age_s, uint256), "feeds: stale"
    assert len(proof) == 65, "feeds: not signed by the source"
    digest: bytes32 = self._digest(source_id, subject, features, observed_at)
    assert signatures._recovered(digest, slice(proof, 0, 65)) == signer, "feeds: not signed by the source"
    return True


@view
@external
def reading_digest(source_id: uint256, subject: bytes32, features: Bytes[8192], observed_at: uint64) -> bytes32:
    return self._digest(source_id, subject, features, observed_at)


@view
@external
def eip712Domain() -> (bytes1, String[32], String[8], uint256, address, bytes32, DynArray[uint256, 1]):
    # 0x0f: name, version, chain id and contract are in use; salt is not.
    return 0x0f, _NAME, _VERSION, chain.id, self, empty(bytes32), []


@internal
def _store(source_id: uint256, index: uint256, signer: address):
    self._counts[source_id] = index + 1
    self._terms[source_id][index] = convert(signer, uint256) | block.timestamp << _START_SHIFT


@view
@internal
def _signer(source_id: uint256) -> address:
    count: uint256 = self._counts[source_id]
    if count == 0:
        return empty(address)
    return convert(self._terms[source_id][count - 1] & _ADDRESS_MASK, address)


@view
@internal
def _digest(source_id: uint256, subject: bytes32, features: Bytes[8192], observed_at: uint64) -> bytes32:
    domain: bytes32 = keccak256(abi_encode(_DOMAIN_TYPE, keccak256(_NAME), keccak256(_VERSION), chain.id, self))
    message: bytes32 = keccak256(abi_encode(_READING_TYPE, source_id, subject, keccak256(features), observed_at))
    return keccak256(concat(0x1901, domain, message))
