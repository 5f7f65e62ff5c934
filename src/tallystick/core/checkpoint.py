"""C2SP tlog-checkpoint: the signed head of a log, three lines of text.

Extension lines are refused: they are not auditable, and chain data has no place in a checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import NOTE_NAME_BYTES_MAX, TREE_SIZE_MAX
from tallystick.core.note import SignedNote, VerifierKey, sign_note

_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """The head of the log `origin`: so many entries, with this root."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin or len(self.origin.encode("utf-8", "replace")) > NOTE_NAME_BYTES_MAX:
            raise InvalidInput("checkpoint.origin", "origin is not one short line", got=repr(self.origin)[:80])
        if not 0 <= self.size <= TREE_SIZE_MAX:
            raise InvalidInput("checkpoint.size", "size is out of range", expected="0 ≤ size < 2**63", got=self.size)
        if len(self.root) != 32:
            raise InvalidInput("checkpoint.root", "root is not a digest", expected="32 bytes", got=len(self.root))

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, body: str) -> Checkpoint:
        """Read the three lines.

        raises  InvalidInput "checkpoint.form", "checkpoint.size", "checkpoint.root", "checkpoint.origin"
        """
        lines = body.split("\n")
        if len(lines) != 4 or lines[3]:
            raise InvalidInput("checkpoint.form", "checkpoint is not three lines", expected="origin, size, root")
        origin, size, encoded, _ = lines
        if not _DECIMAL.match(size):
            raise InvalidInput("checkpoint.size", "size is not a plain decimal number", got=size[:40])
        try:
            root = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput("checkpoint.root", "root is not base64", got=encoded[:80]) from None
        checkpoint = cls(origin, int(size), root)
        if checkpoint.body != body:
            raise InvalidInput("checkpoint.root", "root is not canonical base64", got=encoded[:80])
        return checkpoint


def sign_checkpoint(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> SignedNote:
    """Return the checkpoint signed by the log's key; the key's name is the log's origin."""
    return sign_note(checkpoint.body, checkpoint.origin, key)


def open_checkpoint(data: bytes, keys: Iterable[VerifierKey]) -> Checkpoint:
    """Return the checkpoint that one of `keys` signed under the log's own name.

    raises  InvalidInput when malformed, VerificationFailed "note.signature" or "note.unsigned" otherwise
    """
    note = SignedNote.from_bytes(data)
    checkpoint = Checkpoint.parse(note.text)
    note.verify(key for key in keys if key.name == checkpoint.origin)
    return checkpoint
