"""Ed25519 public keys as evidence: a key must bind whoever lists it to one message at a time.

For a point of small order one signature holds for many messages or for all, so its owner could deny every one of them.
RFC 8032 lets such keys verify; nothing here does.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput

# The y coordinates of the eight points of small order, and the two of them that a decoder also takes unreduced.
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(y)
    for y in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


def check_public_key(key: object) -> bytes:
    """Return `key` if it is 32 bytes and no point of small order.

    raises  InvalidInput "digest.length" or "ed25519.weak"
    """
    found = check_digest(key, "Ed25519 public key")
    if found[:31] + bytes([found[31] & 0x7F]) in _SMALL_ORDER:  # the top bit is the sign of x
        raise InvalidInput(
            "ed25519.weak",
            "Ed25519 key has a small order: one signature of it holds for many messages",
            got=found.hex(),
            hint="make a key with `tally key new NAME --signer`",
        )
    return found
