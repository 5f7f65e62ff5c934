"""The log entry of one inference: fixed width, compact, without personal data.

Inputs, outputs and their salts stay off the log; the record holds salted commitments to them and the digest of the
model version that answered.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from tallystick.core.errors import InvalidInput

MAGIC = b"TSR\x01"

_LAYOUT = struct.Struct(">4sHQ32s16s16s32s32s32s")

RECORD_BYTES = _LAYOUT.size


class RecordKind(IntEnum):
    """What a record says happened."""

    PREDICTION = 1


@dataclass(frozen=True)
class Record:
    """One event of the log.

    time_ms        milliseconds since 1970, the operator's clock
    version        SHA-256 of the DSSE payload that describes the model version, as on chain
    node           16 bytes naming the serving deployment
    request_id     16 random bytes
    in_commit      salted commitment to the request body
    out_commit     salted commitment to the response body
    params_digest  SHA-256 of the canonical request parameters
    """

    kind: RecordKind
    time_ms: int
    version: bytes
    node: bytes
    request_id: bytes
    in_commit: bytes
    out_commit: bytes
    params_digest: bytes

    def to_bytes(self) -> bytes:
        """Return the 174 bytes of the entry, integers big-endian.

        raises  InvalidInput "record.field" when a field has the wrong width or range
        """
        widths = (32, 16, 16, 32, 32, 32)
        fields = (self.version, self.node, self.request_id, self.in_commit, self.out_commit, self.params_digest)
        if not 0 <= self.time_ms < 2**64 or any(len(f) != w for f, w in zip(fields, widths, strict=True)):
            raise InvalidInput("record.field", "a field of the record has the wrong width", expected=str(widths))
        return _LAYOUT.pack(MAGIC, self.kind, self.time_ms, *fields)

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """Read an entry.

        raises  InvalidInput "record.form" for another length or magic, "record.kind" for an unknown kind
        """
        if len(data) != RECORD_BYTES or data[:4] != MAGIC:
            raise InvalidInput(
                "record.form",
                "not a record",
                expected=f"{RECORD_BYTES} bytes after {MAGIC.hex()}",
                got=f"{len(data)} bytes after {data[:4].hex()}",
            )
        _, kind, time_ms, *fields = _LAYOUT.unpack(data)
        if kind not in RecordKind.__members__.values():
            raise InvalidInput("record.kind", "unknown kind of record", got=kind)
        return cls(RecordKind(kind), time_ms, *fields)
