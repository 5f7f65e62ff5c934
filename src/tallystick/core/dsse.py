"""DSSE: an envelope that signs a payload together with its type, so that neither can be swapped.

`keyid` is a hint and nothing more: keys are chosen by the caller's policy, in this project by what the chain says was
the signer's key at that time.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tallystick.core import canonical, documents
from tallystick.core.digest import sha256
from tallystick.core.ed25519 import check_public_key
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import CANONICAL_BYTES_MAX, SIGNATURES_MAX


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE's pre-authentication encoding, version 1."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True)
class Signature:
    """One signature and its signer's claimed key id."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A typed payload and Ed25519 signatures over both."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the exact payload: the id of the event."""
        return sha256(self.payload)

    def verify(self, public_keys: Iterable[bytes], threshold: int = 1) -> tuple[bytes, ...]:
        """Return those of `public_keys` (32 bytes each) that signed, at least `threshold` different ones.

        raises  VerificationFailed "dsse.signature" when too few did, InvalidInput "digest.length" or "ed25519.weak"
                when a key is none that binds its owner
        """
        message = pae(self.payload_type, self.payload)
        keys = dict.fromkeys(check_public_key(key) for key in public_keys)
        accepted = tuple(key for key in keys if self._is_signed_by(key, message))
        if len(accepted) < max(threshold, 1):
            raise VerificationFailed(
                "dsse.signature", "too few trusted keys signed", expected=max(threshold, 1), got=len(accepted)
            )
        return accepted

    def _is_signed_by(self, public_key: bytes, message: bytes) -> bool:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        for signature in self.signatures:
            try:
                key.verify(signature.sig, message)
            except InvalidSignature:
                continue
            return True
        return False

    def to_bytes(self) -> bytes:
        """Return the JSON form, canonical."""
        return canonical.encode(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "payloadType": self.payload_type,
                "signatures": [
                    {"keyid": item.keyid, "sig": base64.b64encode(item.sig).decode()} for item in self.signatures
                ],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Envelope:
        """Read an envelope without checking its signatures; base64 may be standard or URL-safe, as DSSE allows.

        raises  InvalidInput when malformed
        """
        found = documents.members(
            canonical.parse(data, "envelope"), "envelope", ("payload", "payloadType", "signatures")
        )
        signatures = documents.listed(found["signatures"], "signatures", SIGNATURES_MAX)
        if not signatures:
            raise InvalidInput("dsse.unsigned", "envelope has no signature", expected=f"1 to {SIGNATURES_MAX}", got=0)
        return cls(
            documents.text(found["payloadType"], "payloadType", 255),
            _payload(found["payload"], "payload", CANONICAL_BYTES_MAX),
            tuple(_read_signature(item) for item in signatures),
        )


def sign(payload_type: str, payload: bytes, key: Ed25519PrivateKey, keyid: str = "") -> Envelope:
    """Return the payload in an envelope signed by `key`."""
    return Envelope(payload_type, payload, (Signature(keyid, key.sign(pae(payload_type, payload))),))


def _read_signature(item: object) -> Signature:
    found = documents.members(item, "signature", ("sig",), ("keyid", "cert"))
    return Signature(documents.text(found.get("keyid", ""), "keyid", 255), _payload(found["sig"], "sig", 8_192))


def _payload(value: object, what: str, longest: int) -> bytes:
    written = documents.text(value, what, 4 * (longest // 3 + 1))
    return documents.unbase64(written.replace("-", "+").replace("_", "/"), what, longest)
