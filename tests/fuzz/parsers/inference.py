"""Parsers of `inference`: the files of a log, and predictions as they come over HTTP."""

from __future__ import annotations

import io
from pathlib import Path

from tallystick.core.checkpoint import Checkpoint
from tallystick.core.errors import InvalidInput
from tallystick.inference import tensors
from tallystick.inference.anchoring.records import AnchorRecord, AnchorState, read_anchor_file
from tallystick.inference.bodies import Body
from tallystick.inference.log import frames, journal
from tallystick.inference.log.marks import Identity, Watermark
from tallystick.inference.log.wal import Position
from tests.fuzz.parsers.core import ENTRIES, NOTE, ROOT
from tests.fuzz.targets import Target, of_file

HEADER = frames.SegmentHeader(0, 1, bytes(32), bytes(8))
INPUTS = (tensors.Tensor("x", "FP32", (-1, 2)), tensors.Tensor("name", "BYTES", (1,)))
OUTPUTS = (tensors.Tensor("y", "FP32", (-1, 1)), tensors.Tensor("label", "INT64", (-1,)))

REQUEST = (
    b'{"id":"1","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[0.5,1]},'
    b'{"name":"name","shape":[1],"datatype":"BYTES","data":["a"]}],"outputs":[{"name":"y"}],"parameters":{"t":1}}'
)
ANSWER = b'{"model_name":"m","model_version":"1","outputs":[{"name":"y","shape":[1,1],"datatype":"FP32","data":[0.5]}]}'


def _frame(data: bytes) -> list[bytes]:
    """Read one whole frame of a segment, as recovery does."""
    seed = HEADER.seed
    header = frames.FrameHeader.from_bytes(data[: frames.FRAME_HEADER_BYTES])
    payload = data[frames.FRAME_HEADER_BYTES :]
    header.check(payload, seed)
    return frames.decode_items(payload, header.count, 2)


def _bundle(data: bytes) -> list[bytes]:
    if not data:
        raise InvalidInput("fuzz.empty", "a bundle holds an entry")
    return frames.decode_items(data, 7, 2, "bundle")


def _journal(data: bytes) -> list[Checkpoint]:
    return [journal.parse_head(note) for _, note in journal.decode_records(io.BytesIO(data))]


def _watermark(path: Path) -> Watermark:
    found = Watermark.read(path.parent)
    if found is None:
        raise InvalidInput("fuzz.unused", "no watermark that can be used")
    return found


ANCHOR = AnchorRecord(
    number=0,
    attempt=0,
    state=AnchorState.INTENT,
    key="anchor 1 of 0",
    chain_id=1_337,
    contract="0x" + "11" * 20,
    log_id=1,
    old_size=0,
    size=7,
    root=ROOT,
    checkpoint=NOTE,
)
MINED = ANCHOR.mined_in(bytes(32), 5, bytes(32))

TARGETS = [
    Target(
        "inference.anchor",
        AnchorRecord.from_bytes,
        lambda: [ANCHOR.to_bytes(), MINED.to_bytes()],
        AnchorRecord.to_bytes,
        exact=True,
    ),
    Target("inference.anchor_file", read_anchor_file, lambda: [MINED.to_file()], AnchorRecord.to_file, exact=True),
    Target(
        "inference.identity",
        of_file(lambda path: Identity.read(path.parent), "log.json"),
        lambda: [Identity("example.com/log", bodies=True, volatile=False).to_bytes()],
        Identity.to_bytes,
        exact=True,
    ),
    Target(
        "inference.watermark",
        of_file(_watermark, "watermark"),
        lambda: [Watermark(7, ROOT, Position(1, 2), Position(3, 4), clean=True).to_bytes()],
        Watermark.to_bytes,
    ),
    Target(
        "inference.segment",
        frames.SegmentHeader.from_bytes,
        lambda: [HEADER.to_bytes()],
        frames.SegmentHeader.to_bytes,
        exact=True,
    ),
    Target("inference.frame", _frame, lambda: [frames.encode_frame(5, ENTRIES, 2, HEADER.seed)]),
    Target(
        "inference.bundle",
        _bundle,
        lambda: [frames.encode_items(ENTRIES, 2)],
        lambda items: frames.encode_items(items, 2),
        exact=True,
    ),
    Target("inference.journal", _journal, lambda: [b"", journal.encode_record(NOTE) * 2]),
    Target(
        "inference.body",
        Body.from_bytes,
        lambda: [Body(bytes(32), bytes(32), b"{}", b"[]").to_bytes()],
        Body.to_bytes,
        exact=True,
    ),
    Target("inference.request", lambda data: tensors.read_request(data, INPUTS, OUTPUTS), lambda: [REQUEST]),
    Target("inference.answer", tensors.read_answer, lambda: [ANSWER]),
]
