# pragma version 0.4.3
"""
@title   Tickets: signed promises about batches of a log
@license Apache-2.0
@notice  Who signs a log's tickets and when, and whether a signature is such a ticket. A term's word holds the signer in
         bits 0 to 159 and its start in 160 to 223; it ends where the next begins.
@custom:invariant An account has at most one term per log, so the end of a term is final.
@custom:security  The date in a ticket is its signer's word. Only the end of a term is held against it: a stolen key
                  that was replaced signs nothing dated later, while a signer that dates early binds itself.
"""

from ...interfaces import ILogAnchor
from . import logs

uses: logs

_ADDRESS_MASK: constant(uint256) = 2**160 - 1
_START_SHIFT: constant(uint256) = 160
# EIP-2: half the order of secp256k1; a higher s is the same signature written another way.
_LOW_S_MAX: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168
_NAME: constant(String[32]) = "Tallystick Log"
_VERSION: constant(String[8]) = "1"
_DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_TICKET_TYPE: constant(bytes32) = keccak256(
    "TicketBatch(uint256 logId,uint64 firstIndex,uint32 count,bytes32 batchRoot,uint64 timeMs)"
)

_terms: HashMap[uint256, HashMap[uint256, uint256]]      # log, index
_positions: HashMap[uint256, HashMap[address, uint256]]  # log, signer: index + 1


@external
def set_ticket_signer(log_id: uint256, signer: address) -> uint32:
    logs._check_owner(log_id)
    index: uint256 = self._replace(log_id, signer)
    return convert(index, uint32)


@view
@external
def ticket_signer_at(log_id: uint256, index: uint32) -> ILogAnchor.TicketSigner:
    at: uint256 = convert(index, uint256)
    assert at < logs._signers_in(logs._words[log_id]), "tickets: unknown signer"
    term: uint256 = self._terms[log_id][at]
    return ILogAnchor.TicketSigner(
        signer=convert(term & _ADDRESS_MASK, address),
        since=convert(term >> _START_SHIFT, uint64),
        until=convert(self._terms[log_id][at + 1] >> _START_SHIFT, uint64),
    )


@view
@external
def is_ticket(
    log_id: uint256,
    first_index: uint64,
    count: uint32,
    batch_root: bytes32,
    time_ms: uint64,
    signature: Bytes[65],
) -> bool:
    digest: bytes32 = self._digest(log_id, first_index, count, batch_root, time_ms)
    position: uint256 = self._positions[log_id][self._recovered(digest, signature)]
    if position == 0:
        return False
    until: uint256 = self._terms[log_id][position] >> _START_SHIFT  # the next term's start
    return until == 0 or convert(time_ms, uint256) <= until * 1_000


@view
@external
def recover_ticket(
    log_id: uint256,
    first_index: uint64,
    count: uint32,
    batch_root: bytes32,
    time_ms: uint64,
    signature: Bytes[65],
) -> address:
    return self._recovered(self._digest(log_id, first_index, count, batch_root, time_ms), signature)


@view
@external
def ticket_digest(
    log_id: uint256, first_index: uint64, count: uint32, batch_root: bytes32, time_ms: uint64
) -> bytes32:
    return self._digest(log_id, first_index, count, batch_root, time_ms)


@view
@external
def eip712Domain() -> (bytes1, String[32], String[8], uint256, address, bytes32, DynArray[uint256, 1]):
    # 0x0f: name, version, chain id and contract are in use; salt is not.
    return 0x0f, _NAME, _VERSION, chain.id, self, empty(bytes32), []


@internal
def _replace(log_id: uint256, signer: address) -> uint256:
    index: uint256 = logs._next_signer(log_id)
    assert signer != self._signer(log_id, index - 1), "tickets: unchanged"
    self._store(log_id, index, signer)
    log ILogAnchor.TicketSignerSet(log_id=log_id, signer=signer, index=convert(index, uint32))
    return index


@internal
def _store(log_id: uint256, index: uint256, signer: address):
    assert self._positions[log_id][signer] == 0, "tickets: signer already used"
    if signer != empty(address):
        self._positions[log_id][signer] = index + 1
    self._terms[log_id][index] = convert(signer, uint256) | block.timestamp << _START_SHIFT


@view
@internal
def _signer(log_id: uint256, index: uint256) -> address:
    return convert(self._terms[log_id][index] & _ADDRESS_MASK, address)


@view
@internal
def _digest(log_id: uint256, first_index: uint64, count: uint32, batch_root: bytes32, time_ms: uint64) -> bytes32:
    # The domain is made anew each time: after a fork of the chain the other side has another id.
    domain: bytes32 = keccak256(abi_encode(_DOMAIN_TYPE, keccak256(_NAME), keccak256(_VERSION), chain.id, self))
    message: bytes32 = keccak256(abi_encode(_TICKET_TYPE, log_id, first_index, count, batch_root, time_ms))
    return keccak256(concat(0x1901, domain, message))


@pure
@internal
def _recovered(digest: bytes32, signature: Bytes[65]) -> address:
    if len(signature) != 65:
        return empty(address)
    r: uint256 = extract32(signature, 0, output_type=uint256)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    if s > _LOW_S_MAX or v < 27 or v > 28:
        return empty(address)
    return ecrecover(digest, v, r, s)
