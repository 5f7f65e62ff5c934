"""EIP-712: typed data that a contract can read, signed with secp256k1.

Signatures are 65 bytes r ‖ s ‖ v with v 27 or 28 and s in the lower half of the order, as OpenZeppelin and our
contracts demand; anything else has a second spelling and is refused.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from coincurve import PrivateKey, PublicKey
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import EncodingError

from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.ids import checksum_address, parse_address

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_STRUCT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\((.+)\)\Z", re.ASCII)
_MEMBER = re.compile(
    r"(string|bool|address|u?int[1-9][0-9]{0,2}|bytes(?:[1-9][0-9]?)?) [A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII
)


@dataclass(frozen=True)
class Domain:
    """Where a signature is valid: one contract on one chain."""

    name: str
    version: str
    chain_id: int
    verifying_contract: str

    def separator(self) -> bytes:
        """Return the domain separator."""
        return _separator(self)


@functools.lru_cache(maxsize=64)  # a process signs for a handful of contracts, thousands of times a second
def _separator(domain: Domain) -> bytes:
    values = (domain.name, domain.version, domain.chain_id, parse_address(domain.verifying_contract))
    return struct_hash(_DOMAIN_TYPE, values)


def struct_hash(struct_type: str, values: Sequence[object]) -> bytes:
    """Return hashStruct of a flat struct.

    struct_type  `Name(type member,…)` with atomic types, `string` and `bytes`; no nested structs or arrays
    values       one per member, in order
    raises       InvalidInput "eip712.type" or "eip712.value"
    source       EIP-712, definition of hashStruct
    """
    kinds = _member_types(struct_type)
    if len(kinds) != len(values):
        raise InvalidInput("eip712.value", "wrong number of members", expected=len(kinds), got=len(values))
    try:
        pairs = [_word(kind, value) for kind, value in zip(kinds, values, strict=True)]
        types, words = ["bytes32", *(kind for kind, _ in pairs)], [keccak(struct_type.encode()), *(w for _, w in pairs)]
        return keccak(abi_encode(types, words))
    except (EncodingError, TypeError, ValueError) as error:
        raise InvalidInput("eip712.value", "a member does not fit its type", got=str(error)[:120]) from None


@functools.lru_cache(maxsize=64)
def _member_types(struct_type: str) -> tuple[str, ...]:
    struct = _STRUCT.match(struct_type)
    found = [_MEMBER.match(member) for member in struct[1].split(",")] if struct else [None]
    if None in found:
        raise InvalidInput("eip712.type", "not a flat struct", expected="Name(type member,…)", got=struct_type[:120])
    return tuple(member[1] for member in found if member)


def _word(kind: str, value: object) -> tuple[str, object]:
    """Return the ABI type and the value that stand for one member; each value has one encoding, never a padded one."""
    if kind == "address":
        return kind, parse_address(value)
    if kind == "string" and isinstance(value, str):
        return "bytes32", keccak(value.encode("utf-8"))
    if kind == "bytes" and isinstance(value, bytes):
        return "bytes32", keccak(value)
    is_exact = isinstance(value, bytes) and kind == f"bytes{len(value)}"
    if kind.startswith(("string", "bytes")) and not is_exact:
        got = f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__
        raise InvalidInput("eip712.value", "a member does not fit its type", expected=kind, got=got)
    return kind, value


def typed_digest(domain: Domain, struct_type: str, values: Sequence[object]) -> bytes:
    """Return the 32 bytes that are signed for this struct in this domain."""
    return keccak(b"\x19\x01" + domain.separator() + struct_hash(struct_type, values))


class Signer:
    """A secp256k1 key that signs often: what every signature needs of it is worked out once."""

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)

    def sign(self, digest: bytes) -> bytes:
        """Return the 65-byte signature of `digest` (RFC 6979, low s)."""
        signature: bytes = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])


def sign_digest(secret: bytes, digest: bytes) -> bytes:
    """Return the 65-byte signature of `digest` by the secp256k1 key `secret` (RFC 6979, low s)."""
    return Signer(secret).sign(digest)


def recover(digest: bytes, signature: bytes) -> str:
    """Return the checksum address whose key signed `digest`; raises as `recover_bytes`."""
    return checksum_address(recover_bytes(digest, signature))


def recover_bytes(digest: bytes, signature: bytes) -> bytes:
    """Return the 20 bytes of the address whose key signed `digest`.

    raises  VerificationFailed "eip712.signature" unless the signature is 65 bytes, v is 27 or 28 and s is low
    """
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise VerificationFailed("eip712.signature", "signature is not 65 bytes r, s, v with v 27 or 28")
    if not 0 < int.from_bytes(signature[32:64], "big") <= SECP256K1_ORDER // 2:
        raise VerificationFailed("eip712.signature", "s lies in the upper half: a second spelling of a signature")
    try:
        public = PublicKey.from_signature_and_message(signature[:64] + bytes([signature[64] - 27]), digest, hasher=None)
    except Exception as error:  # noqa: BLE001  coincurve raises bare Exception for points off the curve
        raise VerificationFailed("eip712.signature", "signature belongs to no key", got=str(error)[:80]) from None
    return keccak(public.format(compressed=False)[1:])[12:]
