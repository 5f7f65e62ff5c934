"""Digests and how they are written: 32 bytes inside, lower-case hex outside, nothing in between.

SHA-256 names evidence and builds every Merkle tree; Keccak-256 exists only where the EVM demands it.
"""

from __future__ import annotations

import hashlib
import re

from sha3 import keccak_256

from tallystick.core.errors import InvalidInput

DIGEST_BYTES = 32

_HEX32 = re.compile(r"(?:0x|sha256:)?([0-9a-f]{64})\Z")


def sha256(data: bytes) -> bytes:
    """Return the 32-byte SHA-256 of `data` (FIPS 180-4)."""
    return hashlib.sha256(data).digest()


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def keccak(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 of `data`, as the EVM computes it."""
    return bytes(keccak_256(data).digest())


def parse_hex32(text: object, what: str = "digest") -> bytes:
    """Return the 32 bytes that `text` writes as 64 lower-case hex digits, bare or after `0x` or `sha256:`.

    raises  InvalidInput "digest.hex" for anything else: another length, upper case, white space, not a string
    """
    match = _HEX32.match(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidInput(
            "digest.hex",
            f"{what} is not a 32-byte hex digest",
            expected="64 lower-case hex digits",
            got=repr(text)[:80],
            hint="write the whole digest, lower case, with no white space",
        )
    return bytes.fromhex(match[1])


def check_digest(value: object, what: str = "digest") -> bytes:
    """Return `value` if it is exactly 32 bytes; raise InvalidInput "digest.length" otherwise."""
    if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
        got = f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__
        raise InvalidInput("digest.length", f"{what} is not a digest", expected="32 bytes", got=got)
    return value
