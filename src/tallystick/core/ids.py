"""Identifiers as people write them: addresses with their checksum, and `MODEL@VERSION`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tallystick.core.digest import check_digest, keccak
from tallystick.core.errors import InvalidInput

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_CHANNEL = r"[a-z][a-z0-9._-]{0,31}"
_REFERENCE = re.compile(rf"([1-9][0-9]{{0,76}})(?:@(?:([1-9][0-9]{{0,17}})|({_CHANNEL})))?\Z", re.ASCII)


def checksum_address(raw: bytes) -> str:
    """Return the EIP-55 spelling of a 20-byte address.

    raises  InvalidInput "address.length"
    """
    if len(raw) != 20:
        raise InvalidInput("address.length", "not an address", expected="20 bytes", got=f"{len(raw)} bytes")
    digits = raw.hex()
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(c.upper() if int(m, 16) >= 8 else c for c, m in zip(digits, mask, strict=False))


def parse_address(text: object) -> str:
    """Return the checksum spelling of an address written in one case or with its right checksum.

    raises  InvalidInput "address.form" or "address.checksum"
    """
    if not isinstance(text, str) or not _ADDRESS.match(text):
        raise InvalidInput("address.form", "not an address", expected="0x and 40 hex digits", got=repr(text)[:80])
    address = checksum_address(bytes.fromhex(text[2:]))
    if text[2:] not in (text[2:].lower(), text[2:].upper()) and text != address:
        raise InvalidInput(
            "address.checksum", "address has a wrong checksum", expected=address, got=text, hint="a digit is mistyped"
        )
    return address


def address_of_public_key(public: bytes) -> str:
    """Return the address of an uncompressed secp256k1 public key of 64 bytes (without the 0x04)."""
    return checksum_address(keccak(public)[12:])


def create2_address(creator: str, salt: bytes, initcode: bytes) -> str:
    """Return where the contract `creator` puts what `initcode` makes under a salt of 32 bytes (EIP-1014)."""
    raw = keccak(b"\xff" + bytes.fromhex(creator[2:]) + check_digest(salt, "salt") + keccak(initcode))
    return checksum_address(raw[12:])


def check_channel(name: str) -> str:
    """Return `name` if `MODEL@CHANNEL` can be written with it; the registry itself takes any text.

    raises  InvalidInput "model.channel"
    """
    if not re.fullmatch(_CHANNEL, name, re.ASCII):
        raise InvalidInput(
            "model.channel",
            "not a name for a release channel",
            expected="a-z, then a-z, 0-9, dots, dashes, underscores; at most 32",
            got=ascii(name)[:80],
        )
    return name


@dataclass(frozen=True)
class ModelRef:
    """A model by its registry id, and which version: a sequence number, a channel name, or the newest."""

    model_id: int
    seq: int | None = None
    channel: str | None = None

    def __str__(self) -> str:
        version = self.seq if self.seq is not None else self.channel
        return str(self.model_id) if version is None else f"{self.model_id}@{version}"

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Read `7`, `7@3` or `7@production`.

        raises  InvalidInput "model.reference"
        """
        match = _REFERENCE.match(text)
        if match is None:
            raise InvalidInput(
                "model.reference",
                "not a model reference",
                expected="ID, ID@SEQ or ID@CHANNEL",
                got=repr(text)[:80],
                hint="for example 1@4 or 1@production",
            )
        return cls(int(match[1]), int(match[2]) if match[2] else None, match[3])
