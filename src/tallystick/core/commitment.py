"""Salted commitments: a digest that binds bytes and, without the salt, tells nothing about them.

Short prompts and table rows can be guessed, so an unsalted hash of them is no secret. Each value has its own salt:
destroying the salt and the value leaves noise.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from tallystick.core.errors import InvalidInput

SALT_BYTES = 32


class Domain(StrEnum):
    """What a commitment is for; one domain's commitment is never valid in another."""

    IN = "tallystick/in/v1"
    OUT = "tallystick/out/v1"
    ROW = "tallystick/row/v1"
    OPERATOR = "tallystick/operator/v1"


def commit(domain: Domain, salt: bytes, body: bytes) -> bytes:
    """Return SHA-256(domain ‖ 0x00 ‖ salt ‖ body).

    salt    32 bytes from a cryptographic source, used once
    raises  InvalidInput "commitment.salt" when the salt has another length
    """
    if len(salt) != SALT_BYTES:
        raise InvalidInput("commitment.salt", "salt has the wrong length", expected=SALT_BYTES, got=len(salt))
    state = hashlib.sha256(f"{domain.value}\0".encode())
    state.update(salt)
    state.update(body)
    return state.digest()
