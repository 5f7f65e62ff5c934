"""C2SP signed notes with Ed25519, as used for checkpoints: text, a blank line, signature lines.

Verification follows c2sp.org/signed-note: unknown keys are ignored, a known key whose signature fails rejects the
whole note, and at least one known key must have signed. Key ids are recomputed, never trusted.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tallystick.core.digest import sha256
from tallystick.core.ed25519 import check_public_key
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import NOTE_BYTES_MAX, NOTE_NAME_BYTES_MAX, NOTE_SIGNATURES_MAX

ED25519 = 0x01

_DASH = "— "


@dataclass(frozen=True)
class VerifierKey:
    """A named Ed25519 key that may sign notes; `str()` is its C2SP vkey text `name+id+base64`."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != 32:
            raise InvalidInput("note.key", "key is not Ed25519", expected="32 bytes", got=f"{len(self.public)} bytes")

    @property
    def id(self) -> bytes:
        """The four-byte key id: SHA-256(name ‖ newline ‖ type ‖ public key), cut."""
        return sha256(self.name.encode() + b"\n" + self._typed)[:4]

    @property
    def _typed(self) -> bytes:
        return bytes([ED25519]) + self.public

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self._typed).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a vkey.

        raises  InvalidInput "note.vkey" when it is malformed, of another type, or its id is not the key's own
        """
        parts = text.split("+", 2)  # base64 may hold a plus of its own
        if len(parts) != 3:
            raise InvalidInput("note.vkey", "not a vkey", expected="name+id+key", got=text[:120])
        typed = _base64(parts[2], "note.vkey", "vkey")
        if len(typed) != 33 or typed[0] != ED25519:
            raise InvalidInput("note.vkey", "vkey is not of type Ed25519", expected="type 1, 32 bytes")
        key = cls(parts[0], typed[1:])
        if parts[1] != key.id.hex():
            raise InvalidInput("note.vkey", "key id does not match", expected=key.id.hex(), got=parts[1][:16])
        return key


@dataclass(frozen=True)
class NoteSignature:
    """One signature line: the signer's name, its claimed key id, and the signature bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True)
class SignedNote:
    """A text ending in a newline, and the signatures over it. `str()` is its wire form."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def to_bytes(self) -> bytes:
        """Return the wire form."""
        return str(self).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> SignedNote:
        """Read a note without checking any signature.

        raises  InvalidInput "note.size", "note.text" or "note.signature_line"
        """
        text, lines = _split_note(data)
        if not 1 <= len(lines) <= NOTE_SIGNATURES_MAX:
            raise InvalidInput(
                "note.signature_line",
                "wrong number of signatures",
                expected=f"1 to {NOTE_SIGNATURES_MAX}",
                got=len(lines),
            )
        return cls(text, tuple(_parse_line(line) for line in lines))

    def verify(self, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """Return the keys among `keys` that signed this text, at least one.

        raises  VerificationFailed "note.signature" when a known key's signature fails, "note.unsigned" when none of
                the keys signed; InvalidInput "ed25519.weak" for a key whose log could deny every checkpoint
        """
        known = {(key.name, key.id): key for key in keys}
        signers: dict[VerifierKey, None] = {}
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is None:
                continue
            try:
                public = Ed25519PublicKey.from_public_bytes(check_public_key(key.public))
                public.verify(line.signature, self.text.encode())
            except InvalidSignature:
                raise VerificationFailed("note.signature", f"signature of {key.name} does not verify") from None
            signers[key] = None
        if not signers:
            wanted = ", ".join(sorted(f"{name}+{key_id.hex()}" for name, key_id in known)) or "no key"
            came = ", ".join(f"{line.name}+{line.key_id.hex()}" for line in self.signatures)
            raise VerificationFailed("note.unsigned", "no trusted key signed this note", expected=wanted, got=came)
        return tuple(signers)

    def with_signature(self, line: NoteSignature) -> SignedNote:
        """Return the note with one more signature line."""
        return replace(self, signatures=(*self.signatures, line))


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> SignedNote:
    """Return `text` signed under `name` with an Ed25519 key.

    raises  InvalidInput "note.text" unless the text ends in a newline and has no other control characters
    """
    _check_text(text)
    verifier = VerifierKey(name, key.public_key().public_bytes_raw())
    return SignedNote(text, (NoteSignature(name, verifier.id, key.sign(text.encode())),))


def _split_note(data: bytes) -> tuple[str, list[str]]:
    if len(data) > NOTE_BYTES_MAX:
        raise InvalidInput("note.size", "note is too large", expected=f"≤ {NOTE_BYTES_MAX} bytes", got=len(data))
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("note.text", "note is not UTF-8") from None
    text, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise InvalidInput("note.text", "note has no signature block", expected="text, blank line, signature lines")
    text += "\n"
    _check_text(text)
    return text, tail[:-1].split("\n")


def _parse_line(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise InvalidInput(
            "note.signature_line", "signature line is malformed", expected="— name base64", got=line[:80]
        )
    _check_name(name)
    blob = _base64(encoded, "note.signature_line", "signature")
    if len(blob) < 5:
        raise InvalidInput("note.signature_line", "signature is too short", expected="key id and signature")
    return NoteSignature(name, blob[:4], blob[4:])


def _check_name(name: str) -> None:
    bad = not name or len(name.encode("utf-8", "replace")) > NOTE_NAME_BYTES_MAX or "+" in name
    if bad or any(char.isspace() or not char.isprintable() for char in name):
        raise InvalidInput("note.name", "key name is not allowed", expected="no spaces, no +", got=repr(name)[:80])


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(ord(char) < 0x20 and char != "\n" for char in text):
        raise InvalidInput("note.text", "note text must end in a newline and hold no other control characters")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidInput("note.text", "note text holds a lone surrogate, which UTF-8 cannot carry")


def _base64(text: str, code: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(code, f"{what} is not base64", got=text[:80]) from None
    if base64.b64encode(data).decode() != text:
        raise InvalidInput(code, f"{what} is not canonical base64", got=text[:80])
    return data
