"""What is kept beside a log entry: the request, the answer, and the salts that tie them to the entry.

Bodies are not in the tree and not on chain: a record only commits to them, so they can be destroyed without harming
the log. With them an auditor can open the commitments and repeat the prediction.

    body  "TSB" 0x01 ‖ input salt 32 ‖ output salt 32 ‖ u32 request bytes ‖ request ‖ answer
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tallystick.core.commitment import Domain, commit
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.record import Record

MAGIC = b"TSB\x01"

_HEAD = struct.Struct(">4s32s32sI")


@dataclass(frozen=True)
class Body:
    """A request and its answer, byte for byte, with their salts."""

    in_salt: bytes
    out_salt: bytes
    request: bytes
    answer: bytes

    def to_bytes(self) -> bytes:
        """Return what is kept."""
        return b"".join((_HEAD.pack(MAGIC, self.in_salt, self.out_salt, len(self.request)), self.request, self.answer))

    @classmethod
    def from_bytes(cls, data: bytes) -> Body:
        """Read a body; nothing is verified yet.

        raises  InvalidInput "body.form"
        """
        if len(data) < _HEAD.size or data[:4] != MAGIC:
            raise InvalidInput("body.form", "not a body", expected=MAGIC.hex(), got=data[:4].hex())
        _, in_salt, out_salt, length = _HEAD.unpack_from(data)
        if length > len(data) - _HEAD.size:
            raise InvalidInput("body.form", "body is cut short", expected=length, got=len(data) - _HEAD.size)
        split = _HEAD.size + length
        return cls(in_salt, out_salt, data[_HEAD.size : split], data[split:])

    def check(self, record: Record) -> None:
        """Return if these are the bodies that `record` commits to.

        raises  VerificationFailed "body.request", "body.answer"
        """
        got = commit(Domain.IN, self.in_salt, self.request)
        if got != record.in_commit:
            message = "the request is not the one that was recorded"
            raise VerificationFailed("body.request", message, expected=record.in_commit.hex(), got=got.hex())
        got = commit(Domain.OUT, self.out_salt, self.answer)
        if got != record.out_commit:
            message = "the answer is not the one that was recorded"
            raise VerificationFailed("body.answer", message, expected=record.out_commit.hex(), got=got.hex())
