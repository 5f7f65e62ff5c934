"""Bytes from outside raise `InvalidInput` or `VerificationFailed` and nothing else, whatever they are."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core import canonical
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.receipt import Receipt
from tallystick.core.ticket import Ticket
from tallystick.inference.anchoring.records import AnchorRecord, AnchorState, read_anchor_file
from tallystick.inference.bodies import Body
from tallystick.inference.log.frames import (
    FRAME_HEADER_BYTES,
    FrameHeader,
    SegmentHeader,
    decode_items,
    encode_frame,
    encode_items,
    split_items,
)
from tallystick.inference.log.journal import decode_records, encode_record
from tallystick.inference.tensors import Tensor, read_answer, read_request

SEGMENT = SegmentHeader(5, 3, b"\x01" * 32, b"nonce123")
RECORD = AnchorRecord(
    0, 0, AnchorState.INTENT, "key", 1337, "0x" + "11" * 20, 7, 0, 10, b"\x02" * 32, b"example.com\n10\n\n- x\n"
)
BODY = Body(b"\x01" * 32, b"\x02" * 32, b"request", b"answer")


def refuses(parse: Callable[[bytes], object], data: bytes) -> None:
    """Parse, and let only the two errors of bad bytes pass."""
    try:
        parse(data)
    except (InvalidInput, VerificationFailed):
        pass


def mutated(whole: bytes) -> st.SearchStrategy[bytes]:
    """Return strategies of bytes that are nearly right: flipped, cut, extended, spliced."""
    places = st.integers(0, max(0, len(whole) - 1))
    flipped = st.builds(
        lambda at, bit: whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :], places, st.integers(0, 7)
    )
    cut = st.builds(lambda at: whole[:at], places)
    extended = st.builds(lambda more: whole + more, st.binary(min_size=1, max_size=20))
    spliced = st.builds(lambda at, more: whole[:at] + more + whole[at:], places, st.binary(min_size=1, max_size=8))
    return st.one_of(flipped, cut, extended, spliced, st.binary(max_size=200))


@settings(deadline=None)
@given(mutated(SEGMENT.to_bytes()))
def test_a_mutated_segment_header_is_refused_cleanly(data: bytes) -> None:
    if data != SEGMENT.to_bytes():
        refuses(SegmentHeader.from_bytes, data)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20), st.integers(0, 2**40), st.data())
def test_a_frame_is_read_back_and_no_mutated_one_is(items: list[bytes], first: int, data: st.DataObject) -> None:
    frame = encode_frame(first, items, 2, SEGMENT.seed)
    header = FrameHeader.from_bytes(frame[:FRAME_HEADER_BYTES])
    payload = frame[FRAME_HEADER_BYTES:]
    header.check(payload, SEGMENT.seed)
    assert (header.first, header.count) == (first, len(items))
    assert decode_items(payload, header.count, 2) == items

    def parse(frame: bytes) -> None:
        header = FrameHeader.from_bytes(frame[:FRAME_HEADER_BYTES])
        payload = frame[FRAME_HEADER_BYTES:]
        header.check(payload, SEGMENT.seed)
        raise AssertionError("a mutated frame passed its checksum")

    other = data.draw(mutated(frame).filter(lambda other: other != frame))
    refuses(parse, other)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=40), st.sampled_from([2, 4]))
def test_items_survive_their_bundle(items: list[bytes], prefix_bytes: int) -> None:
    payload = encode_items(items, prefix_bytes)
    assert decode_items(payload, len(items), prefix_bytes) == items
    assert split_items(payload, len(items), prefix_bytes) == (items, "")


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 50), st.sampled_from([2, 4]))
def test_bundles_of_any_bytes(data: bytes, count: int, prefix_bytes: int) -> None:
    refuses(lambda data: decode_items(data, count, prefix_bytes), data)
    items, fault = split_items(data, count, prefix_bytes)
    assert fault or encode_items(items, prefix_bytes) == data


@settings(deadline=None)
@given(mutated(encode_record(b"first note") + encode_record(b"second")))
def test_mutated_journal_records_are_refused_cleanly(data: bytes) -> None:
    refuses(lambda data: list(decode_records(io.BytesIO(data))), data)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=10))
def test_journal_records_survive_their_file(notes: list[bytes]) -> None:
    stream = io.BytesIO(b"".join(map(encode_record, notes)))
    assert [note for _, note in decode_records(stream)] == notes


@settings(deadline=None)
@given(mutated(RECORD.to_bytes()) | mutated(RECORD.to_file()))
def test_mutated_anchor_records_are_refused_cleanly(data: bytes) -> None:
    refuses(AnchorRecord.from_bytes, data)
    refuses(read_anchor_file, data)


@settings(deadline=None)
@given(mutated(BODY.to_bytes()))
def test_mutated_bodies_are_refused_cleanly(data: bytes) -> None:
    refuses(Body.from_bytes, data)


@settings(deadline=None)
@given(st.binary(max_size=50), st.binary(max_size=50))
def test_bodies_survive_their_bytes(request: bytes, answer: bytes) -> None:
    body = Body(b"\x01" * 32, b"\x02" * 32, request, answer)
    assert Body.from_bytes(body.to_bytes()) == body


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["FP32", "x", "y"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["inputs", "outputs", "id", "name", "shape", "datatype", "data"]),
            inner,
        )
    ),
    max_leaves=20,
)
TICKET = {
    "batch_root": "11" * 32, "count": 3, "first_index": 5, "index": 6, "log_id": "1", "path": ["22" * 32],
    "signature": "33" * 65, "time_ms": 17,
}  # fmt: skip


@settings(deadline=None)
@given(JSON | st.builds(lambda key, value: {**TICKET, key: value}, st.sampled_from(sorted(TICKET)), JSON))
def test_tickets_of_any_json_are_refused_cleanly(value: object) -> None:
    refuses(lambda _: Ticket.from_dict(value), b"")


@settings(deadline=None)
@given(st.binary(max_size=100) | mutated(Receipt(b"entry", 3, (b"\x01" * 32,), b"note\n\n- x\n").to_bytes()))
def test_mutated_receipts_are_refused_cleanly(data: bytes) -> None:
    refuses(Receipt.from_bytes, data)
    refuses(lambda data: Receipt.from_tlog_proof(data, b"entry"), data)


REQUEST = b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2.5,3e2]}],"outputs":[{"name":"y"}]}'
X, Y = Tensor("x", "FP32", (-1, 3)), Tensor("y", "FP32", (-1, 1))


@settings(deadline=None)
@given(mutated(REQUEST))
def test_mutated_requests_are_refused_cleanly(data: bytes) -> None:
    refuses(lambda data: read_request(data, [X], [Y]), data)
    refuses(read_answer, data)


@settings(deadline=None)
@given(JSON)
def test_requests_of_any_json_are_refused_cleanly(value: object) -> None:
    import json

    data = json.dumps(value).encode()
    refuses(lambda data: read_request(data, [X], [Y]), data)
    wrapped = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": value}]}
    refuses(lambda data: read_request(data, [X], [Y]), json.dumps(wrapped).encode())
    refuses(read_answer, json.dumps({"model_name": "m", "model_version": "1", "outputs": value}).encode())


def test_canonical_documents_have_one_spelling() -> None:
    spaced = canonical.encode(canonical.decode(RECORD.to_bytes())).replace(b",", b", ", 1)
    with pytest.raises(InvalidInput) as caught:
        AnchorRecord.from_bytes(spaced)
    assert caught.value.code == "canonical.form"
