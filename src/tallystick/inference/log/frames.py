"""The bytes of a write-ahead log: a segment header, then frames, each a batch of items under one checksum.

    segment  "TSW1" ‖ u64 first index ‖ u64 epoch ‖ SHA-256(origin) ‖ 8 random bytes ‖ u32 crc32c of all before
    frame    "TSF1" ‖ u64 first index ‖ u32 count ‖ u32 payload bytes ‖ u32 crc32c ‖ payload
    payload  count items, each a big-endian length and its bytes

Integers are big-endian. A frame's checksum starts from the segment's own, so it covers the segment it stands in as
well as its header and payload: a frame copied from elsewhere, or planted inside an entry by whoever wrote the entry,
is not one. The length prefix is u16 for log entries, which makes 256 of them a C2SP entry bundle, and u32 for bodies.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import google_crc32c as crc32c

from tallystick.core.errors import InvalidInput
from tallystick.core.limits import LOG_BATCH_BYTES_MAX, LOG_BATCH_ENTRIES_MAX, LOG_BODY_BYTES_MAX, TREE_SIZE_MAX

FRAME_MAGIC = b"TSF1"
SEGMENT_MAGIC = b"TSW1"

_FRAME = struct.Struct(">4sQIII")
_SEGMENT = struct.Struct(">4sQQ32s8sI")

FRAME_HEADER_BYTES = _FRAME.size
SEGMENT_HEADER_BYTES = _SEGMENT.size

PAYLOAD_BYTES_MAX = 2 * LOG_BATCH_BYTES_MAX + LOG_BODY_BYTES_MAX + 4 * LOG_BATCH_ENTRIES_MAX


@dataclass(frozen=True)
class SegmentHeader:
    """What a WAL file says of itself. `seed` starts every frame's checksum."""

    first: int
    epoch: int
    origin_digest: bytes
    nonce: bytes

    def to_bytes(self) -> bytes:
        """Return the header's 64 bytes."""
        head = self._unsealed()
        return head + int(crc32c.value(head)).to_bytes(4, "big")

    @property
    def seed(self) -> int:
        """The checksum that frames of this segment start from."""
        return int(crc32c.value(self._unsealed()))

    def _unsealed(self) -> bytes:
        return _SEGMENT.pack(SEGMENT_MAGIC, self.first, self.epoch, self.origin_digest, self.nonce, 0)[:-4]

    @classmethod
    def from_bytes(cls, data: bytes) -> SegmentHeader:
        """Read a header.

        raises  InvalidInput "wal.segment" when it is cut short, foreign or damaged
        """
        if len(data) != SEGMENT_HEADER_BYTES:
            raise InvalidInput("wal.segment", "segment header is cut short", got=f"{len(data)} bytes")
        magic, first, epoch, digest, nonce, crc = _SEGMENT.unpack(data)
        if magic != SEGMENT_MAGIC or first > TREE_SIZE_MAX:
            raise InvalidInput("wal.segment", "not a log segment", expected=SEGMENT_MAGIC.hex(), got=magic.hex())
        if crc32c.value(data[:-4]) != crc:
            raise InvalidInput("wal.segment", "segment header fails its checksum", got=f"{crc:08x}")
        return cls(first, epoch, digest, nonce)


@dataclass(frozen=True)
class FrameHeader:
    """Items first … first + count - 1 follow in `length` payload bytes."""

    first: int
    count: int
    length: int
    crc: int

    @property
    def end(self) -> int:
        """The index after the frame's last item."""
        return self.first + self.count

    @classmethod
    def from_bytes(cls, data: bytes) -> FrameHeader:
        """Read a header; its checksum is checked with the payload.

        raises  InvalidInput "wal.frame"
        """
        if len(data) != FRAME_HEADER_BYTES:
            raise InvalidInput("wal.frame", "frame header is cut short", got=f"{len(data)} bytes")
        magic, first, count, length, crc = _FRAME.unpack(data)
        if magic != FRAME_MAGIC:
            raise InvalidInput("wal.frame", "no frame starts here", expected=FRAME_MAGIC.hex(), got=magic.hex())
        if not 1 <= count <= LOG_BATCH_ENTRIES_MAX or length > PAYLOAD_BYTES_MAX or first + count > TREE_SIZE_MAX:
            raise InvalidInput("wal.frame", "frame header is out of bounds", got=f"{count} items, {length} bytes")
        return cls(first, count, length, crc)

    def check(self, payload: bytes, seed: int) -> None:
        """Raise InvalidInput "wal.frame" unless the checksum covers this header and `payload`."""
        if len(payload) != self.length:
            raise InvalidInput("wal.frame", "frame is cut short", expected=self.length, got=len(payload))
        crc = crc32c.extend(crc32c.extend(seed, self._unsealed()), payload)
        if crc != self.crc:
            raise InvalidInput("wal.frame", "frame fails its checksum", expected=f"{self.crc:08x}", got=f"{crc:08x}")

    def sealed(self, payload: bytes, seed: int) -> bytes:
        """Return the whole frame with its checksum for the segment with this seed."""
        head = self._unsealed()
        return b"".join((head, crc32c.extend(crc32c.extend(seed, head), payload).to_bytes(4, "big"), payload))

    def _unsealed(self) -> bytes:
        return _FRAME.pack(FRAME_MAGIC, self.first, self.count, self.length, 0)[:-4]


def encode_frame(first: int, items: Sequence[bytes], prefix_bytes: int, seed: int) -> bytes:
    """Return the frame of `items`, whose first has index `first`."""
    payload = encode_items(items, prefix_bytes)
    return FrameHeader(first, len(items), len(payload), 0).sealed(payload, seed)


def encode_items(items: Sequence[bytes], prefix_bytes: int) -> bytes:
    """Return each item after its big-endian length: with two bytes, a C2SP entry bundle."""
    lengths = set(map(len, items))
    if len(lengths) == 1:  # records have one width: a join is five times faster than a loop
        prefix = lengths.pop().to_bytes(prefix_bytes, "big")
        return prefix.join((b"", *items))
    parts = []
    for item in items:
        parts.append(len(item).to_bytes(prefix_bytes, "big"))
        parts.append(item)
    return b"".join(parts)


def decode_items(payload: bytes, count: int, prefix_bytes: int, what: str = "frame") -> list[bytes]:
    """Return exactly `count` items that fill `payload`.

    raises  InvalidInput "wal.items" when they do not fit it exactly
    """
    items, fault = split_items(payload, count, prefix_bytes)
    if fault:
        raise InvalidInput("wal.items", f"{what} does not hold its items", expected=f"{count} items", got=fault)
    return items


def split_items(data: bytes, count: int, prefix_bytes: int) -> tuple[list[bytes], str]:
    """Return as many of `count` items as can be read, and what is wrong after them, if anything."""
    items: list[bytes] = []
    at = 0
    for _ in range(count):
        start = at + prefix_bytes
        end = start + int.from_bytes(data[at:start], "big")
        if end > len(data) or start > len(data):
            return items, f"it ends inside item {len(items)}"
        items.append(data[start:end])
        at = end
    return items, "" if at == len(data) else f"{len(data) - at} bytes after the last item"
