"""A served model: strict in what it reads, exact in what it records, and every answer has its ticket and receipt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tallystick.core import merkle
from tallystick.core.errors import InvalidInput, Unavailable, VerificationFailed
from tallystick.core.receipt import Receipt
from tallystick.core.record import Record, RecordKind
from tallystick.core.ticket import Ticket, ticket_domain
from tallystick.inference.bodies import Body
from tallystick.inference.log import Log
from tallystick.inference.receipts import ReceiptVerifier, build_receipt, verify_receipts
from tallystick.inference.runtime import Predictor
from tallystick.inference.serving import ReceiptedModel, Served
from tallystick.inference.tensors import DTYPES, Tensor, read_answer, read_request, write_answer
from tallystick.inference.tickets import TicketOffice
from tests.inference.conftest import KEY, ORIGIN, TICKET_SECRET, TICKET_SIGNER, VKEY
from tests.inference.faulty import FaultyFiles, Unsynced

DOMAIN = ticket_domain(1337, "0x" + "11" * 20)
VERSION = b"\x09" * 32
X = Tensor("x", "FP32", (-1, 3))
Y = Tensor("y", "FP32", (-1, 1))


def linear_model() -> bytes:
    """y = x · (1, 10, 100), with a logarithm beside it that is not finite at zero."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 1], [1.0, 10.0, 100.0])
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Log", ["y"], ["z"])]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("y", "z")],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def request(*rows: list[float], **changes: Any) -> bytes:
    tensor = {"name": "x", "shape": [len(rows), 3], "datatype": "FP32", "data": [list(row) for row in rows]}
    return json.dumps({"id": "r1", "inputs": [{**tensor, **changes}], "outputs": [{"name": "y"}]}).encode()


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(linear_model())


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class Desk:
    """A served model on a log of its own."""

    def __init__(self, folder: Path, predictor: Predictor, clock: Clock, files: FaultyFiles | None = None) -> None:
        self.clock = clock
        self.log = Log.open(folder, ORIGIN, key=KEY, bodies=True, volatile=True, files=files or Unsynced())
        self.office = TicketOffice(TICKET_SECRET, DOMAIN, 7, clock)
        served = Served("linear", "1", VERSION, b"\x01" * 16)
        self.model = ReceiptedModel(predictor, served, self.log, self.office, clock_ms=clock)


@pytest.fixture
def desk(folder: Path, predictor: Predictor) -> Iterator[Desk]:
    desk = Desk(folder, predictor, Clock())
    yield desk
    desk.log.close()


# --- answers and their records


def test_an_answer_is_what_the_model_says_and_its_record_commits_to_both_bodies(desk: Desk) -> None:
    body = request([1, 2, 3], [4, 5, 6])
    prediction = desk.model.answer(body)
    assert json.loads(prediction.answer) == {
        "id": "r1",
        "model_name": "linear",
        "model_version": "1",
        "outputs": [{"name": "y", "shape": [2, 1], "datatype": "FP32", "data": [321.0, 654.0]}],
    }
    index = prediction.pending.result()
    entry = desk.log.reader.entry(index)
    assert entry == prediction.entry
    record = Record.from_bytes(entry)
    assert (record.kind, record.version, record.node) == (RecordKind.PREDICTION, VERSION, b"\x01" * 16)
    kept = Body.from_bytes(desk.log.reader.bodies(index, index + 1)[0])
    assert (kept.request, kept.answer) == (body, prediction.answer)
    assert (kept.in_salt, kept.out_salt) == (prediction.in_salt, prediction.out_salt)
    kept.check(record)


def test_a_body_that_was_changed_does_not_open_its_commitment(desk: Desk) -> None:
    prediction = desk.model.answer(request([1, 2, 3]))
    record = Record.from_bytes(prediction.entry)
    kept = Body(prediction.in_salt, prediction.out_salt, request([1, 2, 3]), prediction.answer)
    kept.check(record)
    for other in (
        Body(kept.in_salt, kept.out_salt, request([1, 2, 4]), kept.answer),
        Body(kept.in_salt, kept.out_salt, kept.request, kept.answer + b" "),
        Body(kept.out_salt, kept.in_salt, kept.request, kept.answer),
    ):
        with pytest.raises(VerificationFailed):
            other.check(record)


def test_no_two_records_share_salts_or_ids(desk: Desk) -> None:
    predictions = [desk.model.answer(request([1, 2, 3])) for _ in range(50)]
    salts = {salt for prediction in predictions for salt in (prediction.in_salt, prediction.out_salt)}
    assert len(salts) == 100
    assert len({Record.from_bytes(prediction.entry).request_id for prediction in predictions}) == 50
    assert len({Record.from_bytes(prediction.entry).in_commit for prediction in predictions}) == 50


def test_records_never_go_back_in_time_while_the_clock_does(desk: Desk, predictor: Predictor) -> None:
    def now() -> int:
        return Record.from_bytes(desk.model.answer(request([1, 2, 3])).entry).time_ms

    first = now()
    desk.clock.now_ms -= 3_600_000
    assert now() == first
    desk.clock.now_ms += 3_600_001
    assert now() == first + 1
    desk.clock.now_ms -= 5_000
    desk.log.close()
    desk.log = Log.open(desk.log.reader.folder, key=KEY, files=Unsynced())
    served = Served("linear", "1", VERSION, b"\x01" * 16)
    desk.model = ReceiptedModel(predictor, served, desk.log, desk.office, clock_ms=desk.clock)
    assert now() == first + 1  # nor across a restart


def test_a_refused_request_leaves_no_record(desk: Desk) -> None:
    for bad in (b"", b"{}", request([1, 2]), request([1, 2, 3], name="w"), request([0, 0, 0], shape=[3])):
        with pytest.raises(InvalidInput):
            desk.model.answer(bad)
    assert desk.model.answer(request([1, 2, 3])).pending.result() == 0


def test_an_answer_that_json_cannot_say_is_refused(desk: Desk) -> None:
    body = json.loads(request([0, 0, 0]))
    body["outputs"] = [{"name": "z"}]
    with pytest.raises(InvalidInput) as caught:
        desk.model.answer(json.dumps(body).encode())
    assert caught.value.code == "predict.not_finite"


def test_a_full_disk_refuses_the_answer(folder: Path, predictor: Predictor) -> None:
    files = FaultyFiles()
    desk = Desk(folder, predictor, Clock(), files)
    desk.model.answer(request([1, 2, 3])).pending.result()
    files.fault = lambda name, _: "ENOSPC" if name == "pwrite" else None
    prediction = desk.model.answer(request([1, 2, 3]))
    with pytest.raises(Unavailable):
        prediction.ticket()
    files.fault = None
    desk.log.close()


# --- tickets


def test_a_ticket_promises_the_entry_at_its_index(desk: Desk) -> None:
    predictions = [desk.model.answer(request([n, 2, 3])) for n in range(20)]
    for prediction in predictions:
        ticket = prediction.ticket()
        assert ticket.index == prediction.pending.result()
        leaf = merkle.leaf_hash(prediction.entry)
        ticket.verify(leaf, DOMAIN, TICKET_SIGNER)
        assert Ticket.from_dict(json.loads(json.dumps(ticket.to_dict()))) == ticket
        with pytest.raises(VerificationFailed):
            ticket.verify(merkle.leaf_hash(b"another"), DOMAIN, TICKET_SIGNER)
        with pytest.raises(VerificationFailed):
            ticket.verify(leaf, ticket_domain(1338, DOMAIN.verifying_contract), TICKET_SIGNER)
        with pytest.raises(VerificationFailed):
            ticket.verify(leaf, DOMAIN, "0x" + "00" * 20)


@given(count=st.integers(1, 300))
@settings(deadline=None)
def test_a_batch_of_any_size_has_one_signature_and_a_path_for_each_entry(count: int) -> None:
    from tallystick.inference.log import Batch, Pending

    batch = Batch()
    leaves = merkle.leaf_hashes([b"%d" % n for n in range(count)])
    batch.resolve(1000, leaves)
    office = TicketOffice(TICKET_SECRET, DOMAIN, 7, lambda: 5)
    tickets = [office.ticket(Pending(batch, offset)) for offset in range(count)]
    assert office.signatures == 1
    assert {ticket.promise for ticket in tickets} == {tickets[0].promise}
    for offset, ticket in enumerate(tickets):
        merkle.verify_inclusion(offset, count, leaves[offset], ticket.path, ticket.promise.batch_root)
        assert ticket.index == 1000 + offset
    tickets[count // 2].verify(leaves[count // 2], DOMAIN, TICKET_SIGNER)


# --- receipts


def test_a_receipt_is_checked_offline_with_the_vkey_alone(desk: Desk) -> None:
    predictions = [desk.model.answer(request([n, 2, 3])) for n in range(300)]
    assert predictions[-1].pending.result() == 299
    with pytest.raises(InvalidInput) as caught:
        build_receipt(desk.log.reader, 0)
    assert caught.value.code == "receipt.uncovered"
    desk.log.checkpoint()
    receipts = [build_receipt(desk.log.reader, index) for index in range(300)]
    assert verify_receipts(receipts, [VKEY]) == [None] * 300
    for receipt in receipts[::50]:
        assert Receipt.from_bytes(receipt.to_bytes()) == receipt
        assert Receipt.from_tlog_proof(receipt.to_tlog_proof(), receipt.entry) == receipt
        assert receipt.verify([VKEY]).size == 300
    with pytest.raises(InvalidInput):
        build_receipt(desk.log.reader, 300)


def test_of_many_receipts_each_wrong_one_is_named(desk: Desk) -> None:
    predictions = [desk.model.answer(request([n, 2, 3])) for n in range(40)]
    assert predictions[-1].pending.result() == 39
    desk.log.checkpoint()
    receipts = [build_receipt(desk.log.reader, index) for index in range(40)]
    good = receipts[5]
    receipts[3] = Receipt(receipts[4].entry, 3, receipts[3].path, receipts[3].checkpoint)
    receipts[7] = Receipt(good.entry, 5, good.path, good.checkpoint.replace(b"\n40\n", b"\n41\n"))
    receipts[9] = Receipt(good.entry, 5, good.path[:-1], good.checkpoint)
    found = verify_receipts(receipts, [VKEY])
    assert [index for index, error in enumerate(found) if error is not None] == [3, 7, 9]
    assert [found[index].code for index in (3, 7, 9) if found[index]] == [  # type: ignore[union-attr]
        "merkle.inclusion", "note.signature", "merkle.inclusion",
    ]  # fmt: skip


def test_a_verifier_remembers_signatures_and_never_trusts_a_checkpoint_it_did_not_check(desk: Desk) -> None:
    desk.model.answer(request([1, 2, 3])).pending.result()
    desk.log.checkpoint()
    receipt = build_receipt(desk.log.reader, 0)
    verifier = ReceiptVerifier([VKEY])
    assert verifier.verify(receipt) == verifier.verify(receipt)
    forged = Receipt(receipt.entry, 0, receipt.path, receipt.checkpoint[:-3] + b"AA\n")
    for _ in range(2):
        with pytest.raises((VerificationFailed, InvalidInput)):
            verifier.verify(forged)


# --- tensors


def test_every_datatype_survives_its_json() -> None:
    samples: dict[str, list[Any]] = {
        "BOOL": [True, False, True],
        "BYTES": ["", "ä", "x" * 50],
        "FP16": [0.1, -65504.0, 6e-8],
        "FP32": [0.1, 3.4e38, -1e-45],
        "FP64": [0.1, 1.7e308, -5e-324],
        **{f"INT{bits}": [-(2 ** (bits - 1)), 0, 2 ** (bits - 1) - 1] for bits in (8, 16, 32, 64)},
        **{f"UINT{bits}": [0, 1, 2**bits - 1] for bits in (8, 16, 32, 64)},
    }
    assert set(samples) == set(DTYPES)
    for datatype, values in samples.items():
        array = np.array(values, dtype=DTYPES[datatype]).reshape(3, 1)
        answer = write_answer("", "m", "1", [(Tensor("t", datatype, (-1, 1)), array)])
        again = read_answer(answer)["t"]
        assert again.dtype == array.dtype
        assert again.shape == (3, 1)
        assert (again == array).all()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
@settings(deadline=None)
def test_floats_survive_to_the_last_bit(values: list[float]) -> None:
    array = np.array(values, dtype=np.float32)
    answer = write_answer("", "m", "1", [(Tensor("t", "FP32", (-1,)), array)])
    assert read_answer(answer)["t"].tobytes() == array.tobytes()


def test_nested_and_flat_data_are_the_same_request() -> None:
    nested = read_request(request([1, 2, 3], [4, 5, 6]), [X], [Y])
    flat = read_request(request(shape=[2, 3], data=[1, 2, 3, 4, 5, 6]), [X], [Y])
    assert (nested.arrays["x"] == flat.arrays["x"]).all()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff", "predict.json"),
        (b"[" * 100_000, "canonical.depth"),
        (b"[]", "document.type"),
        (b'{"inputs":[],"inputs":[]}', "predict.duplicate"),
        (b'{"inputs":[]}', "predict.input"),
        (b'{"inputs":[],"extra":1}', "document.unknown"),
        (request([1, 2, 3], datatype="FP64"), "predict.datatype"),
        (request([1, 2, 3], datatype="FP8"), "predict.datatype"),
        (request([1, 2, 3], shape=[1, 4]), "predict.shape"),
        (request([1, 2, 3], shape=[3]), "predict.shape"),
        (request([1, 2, 3], shape=[2, 3]), "predict.data"),
        (request([1, 2, 3], shape=[-1, 3]), "document.range"),
        (request([1, 2, 3], shape=[True, 3]), "document.type"),
        (request([1, 2, 3], shape=[2**40, 3]), "document.range"),
        (request([1, 2, 3], shape=[2**20, 3]), "predict.shape"),
        (request([1, 2, 3], data=[[1, 2], [3]]), "predict.data"),
        (request([1, 2, 3], data=[[1, 2, [3]]]), "predict.type"),
        (request([1, 2, 3], data=[1, 2, "3"]), "predict.type"),
        (request([1, 2, 3], data=[1, 2, True]), "predict.type"),
        (request([1, 2, 3], data=[1, 2, None]), "predict.type"),
        (request([1, 2, 3], data=[1, 2, 1e39]), "predict.range"),
        (request([1, 2, 3], data=[1, 2, 10**400]), "predict.range"),
        (request([1, 2, 3], data=[1, 2, float("nan")]), "predict.not_finite"),
        (request([1, 2, 3], data=[1, 2, float("inf")]), "predict.not_finite"),
        (request([1, 2, 3]).replace(b"3]]", b"1e999]]"), "predict.range"),
        (request([1, 2, 3], name="w"), "predict.input"),
        (request([1, 2, 3], parameters={"binary_data_size": 3}), "predict.parameters"),
        (request([1, 2, 3], parameters={"binary_data": 0}), "predict.parameters"),
        (request([1, 2, 3]).replace(b'"y"', b'"y","parameters":{"binary_data":true}'), "predict.parameters"),
        (request([1, 2, 3]).replace(b'"y"', b'"q"'), "predict.output"),
        (request([1, 2, 3]).replace(b'{"name": "y"}', b'{"name": "y"}, {"name": "y"}'), "predict.output"),
        (request([1, 2, 3]).replace(b'"r1"', b"17"), "document.type"),
        (request([1, 2, 3])[:-1] + b', "parameters": {"temperature": 0.5}}', "canonical.float"),
        (b" " * (4 * 2**20 + 1), "predict.size"),
    ],
)
def test_a_request_that_can_be_read_two_ways_or_none_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_request(body, [X], [Y])
    assert caught.value.code == code


def test_an_output_asked_for_in_json_as_standard_clients_do_is_given() -> None:
    plain = request([1, 2, 3])
    spelled = plain.replace(b'"y"', b'"y","parameters":{"binary_data":false}')
    assert spelled != plain
    assert read_request(spelled, [X], [Y]).params_digest == read_request(plain, [X], [Y]).params_digest


def test_parameters_change_the_digest_of_what_shaped_the_answer() -> None:
    plain = read_request(request([1, 2, 3]), [X], [Y])
    same = read_request(request([9, 9, 9]), [X], [Y])
    other = read_request(request([1, 2, 3])[:-1] + b', "parameters": {"threshold": "0.5"}}', [X], [Y])
    assert plain.params_digest == same.params_digest != other.params_digest


# --- the runtime


def test_a_model_says_what_it_takes_and_gives(predictor: Predictor) -> None:
    assert predictor.inputs == (X,)
    assert predictor.outputs == (Y, Tensor("z", "FP32", (-1, 1)))


def test_outputs_come_in_the_order_asked_for(predictor: Predictor) -> None:
    arrays = {"x": np.ones((1, 3), dtype=np.float32)}
    assert [tensor.name for tensor, _ in predictor.predict(arrays, ["z", "y"])] == ["z", "y"]
    assert [tensor.name for tensor, _ in predictor.predict(arrays)] == ["y", "z"]


@pytest.mark.parametrize("model", [b"", b"not onnx", linear_model()[:-20]])
def test_what_is_no_model_is_refused(model: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        Predictor(model)
    assert caught.value.code == "model.onnx"


def test_a_model_with_outputs_that_are_no_tensors_is_refused() -> None:
    """As scikit-learn classifiers have that were converted without zipmap=False."""
    graph = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x"], ["s"])],
        "sequence",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    with pytest.raises(InvalidInput) as caught:
        Predictor(model)
    assert caught.value.code == "model.tensor"
    assert "zipmap" in caught.value.hint
