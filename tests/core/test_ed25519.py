"""Keys of small order are refused, because one signature of theirs holds for many messages."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tallystick.core import dsse
from tallystick.core.ed25519 import check_public_key
from tallystick.core.errors import InvalidInput
from tallystick.core.note import NoteSignature, SignedNote, VerifierKey

PRIME = 2**255 - 19
IDENTITY = (1).to_bytes(32, "little")
ORDER_EIGHT = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"


def _with_sign(key: bytes) -> bytes:
    return key[:31] + bytes([key[31] | 0x80])


def _weak_keys() -> list[bytes]:
    """Return every spelling of the eight points: y is 0, 1, -1 or one of two others, reduced or not, of either sign."""
    d = -121665 * pow(121666, -1, PRIME) % PRIME
    eighth = int.from_bytes(bytes.fromhex(ORDER_EIGHT), "little")
    assert (d * eighth**4 + 2 * eighth**2 - 1) % PRIME == 0  # doubling a point of order eight gives y = 0
    ys = [0, 1, PRIME - 1, PRIME, PRIME + 1, eighth, PRIME - eighth]
    plain = [y.to_bytes(32, "little") for y in ys]
    return [*plain, *map(_with_sign, plain)]


def test_the_reason_one_signature_of_such_a_key_holds_for_every_message() -> None:
    key, signature = Ed25519PublicKey.from_public_bytes(IDENTITY), IDENTITY + bytes(32)
    for message in (b"one", b"another"):
        key.verify(signature, message)  # raises nothing: this is what OpenSSL and RFC 8032 hold to be good


@pytest.mark.parametrize("key", _weak_keys(), ids=bytes.hex)
def test_every_key_of_small_order_is_refused_and_verifies_no_envelope(key: bytes) -> None:
    envelope = dsse.Envelope("text/plain", b"anything", (dsse.Signature("", IDENTITY + bytes(32)),))
    for check in (check_public_key, lambda key: envelope.verify([key])):
        with pytest.raises(InvalidInput) as caught:
            check(key)
        assert caught.value.code == "ed25519.weak"


def test_a_log_with_such_a_key_has_no_checkpoint() -> None:
    key = VerifierKey("log", IDENTITY)
    note = SignedNote("log\n0\n\n", (NoteSignature("log", key.id, IDENTITY + bytes(32)),))
    with pytest.raises(InvalidInput) as caught:
        note.verify([key])
    assert caught.value.code == "ed25519.weak"


def test_any_other_key_is_taken_and_must_be_32_bytes() -> None:
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert check_public_key(key) == key
    with pytest.raises(InvalidInput) as caught:
        check_public_key(key[:31])
    assert caught.value.code == "digest.length"
