"""The nouns of a log: record, ticket and receipt. Each reads back; nothing altered is believed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import merkle
from tallystick.core.checkpoint import Checkpoint, sign_checkpoint
from tallystick.core.commitment import SALT_BYTES, Domain, commit
from tallystick.core.digest import sha256
from tallystick.core.eip712 import recover, sign_digest
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.ids import checksum_address
from tallystick.core.limits import ENTRY_BYTES_MAX, PROOF_NODES_MAX, SAFE_INTEGER_MAX
from tallystick.core.note import VerifierKey
from tallystick.core.receipt import TLOG_PROOF, Receipt
from tallystick.core.record import MAGIC, RECORD_BYTES, Record, RecordKind
from tallystick.core.ticket import BatchPromise, Ticket, ticket_domain
from tests.core.strategies import flip, hashes

KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
LOG = VerifierKey("example.com/log", KEY.public_key().public_bytes_raw())
SECRET = b"\x07" * 32
DOMAIN = ticket_domain(31337, checksum_address(b"\x11" * 20))
SIGNER = recover(bytes(32), sign_digest(SECRET, bytes(32)))

short = st.binary(min_size=16, max_size=16)
records = st.builds(
    Record, st.sampled_from(RecordKind), st.integers(0, 2**64 - 1), hashes, short, short, hashes, hashes, hashes
)


def _receipt(entries: list[bytes], index: int) -> Receipt:
    leaves = merkle.leaf_hashes(entries)
    note = sign_checkpoint(Checkpoint(LOG.name, len(entries), merkle.root(leaves)), KEY)
    return Receipt(entries[index], index, tuple(merkle.inclusion_path(leaves, index)), note.to_bytes())


def _ticket(entries: list[bytes], offset: int, first: int = 1_000) -> Ticket:
    leaves = merkle.leaf_hashes(entries)
    promise = BatchPromise(3, first, len(entries), merkle.root(leaves), 1_700_000_000_000).signed(SECRET, DOMAIN)
    return Ticket(promise, first + offset, tuple(merkle.inclusion_path(leaves, offset)))


batches = st.lists(st.binary(max_size=20), min_size=1, max_size=40)
ENTRIES = [f"entry {number}".encode() for number in range(11)]
RECEIPT = _receipt(ENTRIES, 6)


class TestRecords:
    """174 bytes, integers big-endian."""

    @given(records)
    def test_a_record_reads_back_and_has_its_fixed_length(self, record: Record) -> None:
        data = record.to_bytes()
        assert len(data) == RECORD_BYTES == 174
        assert Record.from_bytes(data) == record
        assert Record.from_bytes(data).to_bytes() == data

    def test_the_layout_is_the_documented_one(self) -> None:
        fields = (b"v" * 32, b"n" * 16, b"r" * 16, b"i" * 32, b"o" * 32, b"p" * 32)
        data = Record(RecordKind.PREDICTION, 0x0102030405060708, *fields).to_bytes()
        assert data == MAGIC + b"\x00\x01" + bytes(range(1, 9)) + b"".join(fields)

    @given(st.binary(max_size=200))
    def test_arbitrary_bytes_raise_nothing_but_invalid_input(self, data: bytes) -> None:
        with pytest.raises(InvalidInput):
            Record.from_bytes(data)

    @given(records, st.integers(0, RECORD_BYTES * 8 - 1))
    def test_a_flipped_bit_is_refused_or_makes_another_record(self, record: Record, bit: int) -> None:
        changed = flip(record.to_bytes(), bit)
        try:
            other = Record.from_bytes(changed)
        except InvalidInput:
            assert bit < 6 * 8
            return
        assert other != record
        assert other.to_bytes() == changed

    @pytest.mark.parametrize("cut", [0, 1, 173])
    def test_a_record_cut_short_or_run_on_is_refused(self, cut: int) -> None:
        data = Record(RecordKind.PREDICTION, 0, bytes(32), bytes(16), bytes(16), *[bytes(32)] * 3).to_bytes()
        for wrong in (data[:cut], data + b"\x00"):
            with pytest.raises(InvalidInput) as refused:
                Record.from_bytes(wrong)
            assert refused.value.code == "record.form"

    @pytest.mark.parametrize("kind", [0, 2, 65_535])
    def test_an_unknown_kind_is_refused(self, kind: int) -> None:
        data = MAGIC + kind.to_bytes(2, "big") + bytes(RECORD_BYTES - 6)
        with pytest.raises(InvalidInput) as refused:
            Record.from_bytes(data)
        assert refused.value.code == "record.kind"

    @pytest.mark.parametrize(
        "change",
        [
            {"time_ms": -1},
            {"time_ms": 2**64},
            {"version": bytes(31)},
            {"node": bytes(17)},
            {"request_id": b""},
            {"in_commit": bytes(33)},
            {"out_commit": bytes(16)},
            {"params_digest": b""},
        ],
        ids=str,
    )
    def test_a_field_of_another_width_is_never_padded_or_cut(self, change: dict[str, object]) -> None:
        record = Record(RecordKind.PREDICTION, 0, bytes(32), bytes(16), bytes(16), *[bytes(32)] * 3)
        with pytest.raises(InvalidInput) as refused:
            replace(record, **change).to_bytes()
        assert refused.value.code == "record.field"


class TestCommitments:
    """A commitment binds its domain, its salt and its body."""

    @given(
        hashes, st.binary(max_size=40), hashes, st.binary(max_size=40), st.sampled_from(Domain), st.sampled_from(Domain)
    )
    def test_commitments_are_equal_only_when_everything_is(
        self, salt: bytes, body: bytes, salt2: bytes, body2: bytes, domain: Domain, domain2: Domain
    ) -> None:
        same = (domain, salt, body) == (domain2, salt2, body2)
        assert (commit(domain, salt, body) == commit(domain2, salt2, body2)) == same

    def test_the_bytes_hashed_are_the_documented_ones(self) -> None:
        assert commit(Domain.IN, bytes(32), b"body") == sha256(b"tallystick/in/v1\x00" + bytes(32) + b"body")

    @pytest.mark.parametrize("length", [0, 16, 31, 33])
    def test_a_salt_of_another_length_is_refused_because_it_could_pass_for_the_body(self, length: int) -> None:
        assert length != SALT_BYTES
        with pytest.raises(InvalidInput) as refused:
            commit(Domain.ROW, bytes(length), b"")
        assert refused.value.code == "commitment.salt"


class TestTickets:
    """A signed promise about one entry at one index."""

    @given(batches, st.data())
    def test_every_entry_of_a_batch_has_a_ticket_that_verifies_and_reads_back(
        self, entries: list[bytes], data: st.DataObject
    ) -> None:
        offset = data.draw(st.integers(0, len(entries) - 1))
        ticket = _ticket(entries, offset)
        ticket.verify(merkle.leaf_hash(entries[offset]), DOMAIN, SIGNER)
        assert Ticket.from_dict(json.loads(json.dumps(ticket.to_dict()))) == ticket

    def _refused(self, ticket: Ticket, code: str, entry: bytes = ENTRIES[4]) -> None:
        with pytest.raises(VerificationFailed) as refused:
            ticket.verify(merkle.leaf_hash(entry), DOMAIN, SIGNER)
        assert refused.value.code == code

    def test_a_ticket_for_another_entry_is_refused(self) -> None:
        self._refused(_ticket(ENTRIES, 4), "merkle.inclusion", entry=ENTRIES[5])

    @pytest.mark.parametrize("index", [999, 1_011, 0, -5, 2**63])
    def test_an_index_outside_the_batch_is_refused(self, index: int) -> None:
        self._refused(replace(_ticket(ENTRIES, 4), index=index), "ticket.index")

    def test_another_index_within_the_batch_is_refused(self) -> None:
        self._refused(replace(_ticket(ENTRIES, 4), index=1_005), "merkle.inclusion")

    @pytest.mark.parametrize("change", [{"log_id": 4}, {"time_ms": 1}], ids=str)
    def test_a_promise_altered_after_it_was_signed_names_another_signer(self, change: dict[str, int]) -> None:
        ticket = _ticket(ENTRIES, 4)
        self._refused(replace(ticket, promise=replace(ticket.promise, **change)), "ticket.signer")

    def test_a_promise_moved_to_another_index_names_another_signer(self) -> None:
        ticket = _ticket(ENTRIES, 4)
        moved = replace(ticket.promise, first_index=1_001)
        self._refused(Ticket(moved, 1_005, ticket.path), "ticket.signer")

    def test_a_ticket_of_another_chain_or_contract_names_another_signer(self) -> None:
        ticket = _ticket(ENTRIES, 4)
        for domain in (
            ticket_domain(1, DOMAIN.verifying_contract),
            ticket_domain(31337, checksum_address(b"\x12" * 20)),
        ):
            with pytest.raises(VerificationFailed) as refused:
                ticket.verify(merkle.leaf_hash(ENTRIES[4]), domain, SIGNER)
            assert refused.value.code == "ticket.signer"

    def test_a_ticket_signed_by_another_operator_is_refused(self) -> None:
        ticket = _ticket(ENTRIES, 4)
        self._refused(replace(ticket, promise=ticket.promise.signed(b"\x08" * 32, DOMAIN)), "ticket.signer")

    def test_an_unsigned_promise_is_refused(self) -> None:
        ticket = _ticket(ENTRIES, 4)
        self._refused(replace(ticket, promise=replace(ticket.promise, signature=b"")), "eip712.signature")

    @given(st.data())
    def test_a_ticket_with_any_member_altered_is_malformed_or_refused(self, data: st.DataObject) -> None:
        document = _ticket(ENTRIES, 4).to_dict()
        name = data.draw(st.sampled_from(sorted(document)))
        old = document[name]
        match old:
            case int():
                document[name] = data.draw(st.integers(-1, 2**64).filter(lambda new: new != old))
            case str():
                at, new = data.draw(st.integers(0, len(old) - 1)), data.draw(st.sampled_from("0123456789abcdefABg x"))
                document[name] = old[:at] + new + old[at + 1 :]
            case list():
                document[name] = data.draw(st.permutations(old))
        if document[name] == old:
            return
        with pytest.raises((InvalidInput, VerificationFailed)):
            Ticket.from_dict(document).verify(merkle.leaf_hash(ENTRIES[4]), DOMAIN, SIGNER)

    @pytest.mark.parametrize(
        "change",
        [
            {"count": 0},
            {"count": 2**32},
            {"count": True},
            {"index": -1},
            {"index": 1.0},
            {"log_id": 3},
            {"log_id": "03"},
            {"log_id": "-3"},
            {"log_id": "٣"},
            {"log_id": str(2**256)},
            {"batch_root": "00"},
            {"batch_root": "0x" + "00" * 32},
            {"signature": "0"},
            {"signature": "00" * 66},
            {"signature": "0 " * 65},
            {"path": None},
            {"path": ["00" * 31]},
            {"path": ["00" * 32] * (PROOF_NODES_MAX + 1)},
            {"time_ms": SAFE_INTEGER_MAX + 1},
            {"unknown": 1},
        ],
        ids=lambda change: str(change)[:40],
    )
    def test_a_malformed_ticket_is_refused(self, change: dict[str, object]) -> None:
        with pytest.raises(InvalidInput):
            Ticket.from_dict(_ticket(ENTRIES, 4).to_dict() | change)

    @pytest.mark.parametrize("value", [None, [], "ticket", 1, {}])
    def test_what_is_no_ticket_is_refused(self, value: object) -> None:
        with pytest.raises(InvalidInput):
            Ticket.from_dict(value)


class TestReceipts:
    """An entry, its path and the signed head of the log."""

    @given(batches, st.data())
    def test_every_entry_has_a_receipt_that_verifies_in_both_spellings(
        self, entries: list[bytes], data: st.DataObject
    ) -> None:
        index = data.draw(st.integers(0, len(entries) - 1))
        receipt = _receipt(entries, index)
        assert receipt.verify([LOG]).size == len(entries)
        assert Receipt.from_bytes(receipt.to_bytes()) == receipt
        assert Receipt.from_tlog_proof(receipt.to_tlog_proof(), entries[index]) == receipt

    @given(st.integers(0, len(RECEIPT.to_bytes()) * 8 - 1))
    def test_a_receipt_with_any_bit_flipped_is_refused(self, bit: int) -> None:
        with pytest.raises((InvalidInput, VerificationFailed)):
            Receipt.from_bytes(flip(RECEIPT.to_bytes(), bit)).verify([LOG])

    @given(st.integers(0, len(RECEIPT.to_tlog_proof()) * 8 - 1))
    def test_a_tlog_proof_with_any_bit_flipped_is_refused(self, bit: int) -> None:
        with pytest.raises((InvalidInput, VerificationFailed)):
            Receipt.from_tlog_proof(flip(RECEIPT.to_tlog_proof(), bit), RECEIPT.entry).verify([LOG])

    @given(st.data())
    def test_a_byte_dropped_or_doubled_is_refused(self, data: st.DataObject) -> None:
        whole = RECEIPT.to_tlog_proof()
        at = data.draw(st.integers(0, len(whole) - 1))
        for changed in (whole[:at] + whole[at + 1 :], whole[:at] + whole[at : at + 1] + whole[at:], whole[:at]):
            if changed == whole:
                continue
            with pytest.raises((InvalidInput, VerificationFailed)):
                Receipt.from_tlog_proof(changed, RECEIPT.entry).verify([LOG])

    def test_a_receipt_for_another_entry_or_index_is_refused(self) -> None:
        for wrong in (
            replace(RECEIPT, entry=b"other"),
            replace(RECEIPT, index=5),
            replace(RECEIPT, path=RECEIPT.path[:-1]),
        ):
            with pytest.raises(VerificationFailed) as refused:
                wrong.verify([LOG])
            assert refused.value.code == "merkle.inclusion"

    def test_a_receipt_signed_by_another_operator_is_refused(self) -> None:
        other = VerifierKey(
            LOG.name, Ed25519PrivateKey.from_private_bytes(b"\x02" * 32).public_key().public_bytes_raw()
        )
        with pytest.raises(VerificationFailed) as refused:
            RECEIPT.verify([other])
        assert refused.value.code == "note.unsigned"

    def test_a_path_cannot_be_moved_to_another_checkpoint_of_the_same_log(self) -> None:
        other = _receipt([*ENTRIES, b"one more"], 6)
        with pytest.raises(VerificationFailed):
            replace(RECEIPT, checkpoint=other.checkpoint).verify([LOG])

    def test_the_tlog_proof_has_the_c2sp_lines(self) -> None:
        head, blank, checkpoint = RECEIPT.to_tlog_proof().decode().partition("\n\n")
        lines = head.split("\n")
        assert lines[:2] == [TLOG_PROOF, "index 6"] == ["c2sp.org/tlog-proof@v1", "index 6"]
        assert len(lines) == 2 + len(RECEIPT.path)
        assert blank + checkpoint == "\n\n" + RECEIPT.checkpoint.decode()

    def test_a_log_of_one_entry_has_a_proof_without_nodes(self) -> None:
        receipt = _receipt([b"only"], 0)
        assert receipt.path == ()
        assert Receipt.from_tlog_proof(receipt.to_tlog_proof(), b"only").verify([LOG]).size == 1

    def test_an_extra_line_is_skipped_because_nothing_signs_it(self) -> None:
        lines = RECEIPT.to_tlog_proof().split(b"\n", 1)
        with_extra = lines[0] + b"\nextra aGVsbG8=\n" + lines[1]
        assert Receipt.from_tlog_proof(with_extra, RECEIPT.entry) == RECEIPT

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"index 6", b"index 06"),
            (b"index 6", b"index +6"),
            (b"index 6", b"index  6"),
            (b"index 6", b"index"),
            (b"index 6", b"index 9223372036854775808"),
            (b"@v1", b"@v2"),
            (b"\nindex", b"\n\nindex"),
            (b"index 6\n", b"index 6\nAAAA\n"),  # three bytes are no hash
            (b"index 6\n", b"index 6\n" + b"AAAA" * 11 + b"\n"),  # nor are thirty-three
            (b"index 6\n", b"index 6\n" + (b"A" * 43 + b"=\n") * PROOF_NODES_MAX),
            (b"index 6\n", b"index 6\nextra aGVsbG8=\n"),
            (b"index 6", b"index \xff"),
            (b"example.com", b"\xff"),
        ],
    )
    def test_a_malformed_tlog_proof_is_refused(self, old: bytes, new: bytes) -> None:
        with pytest.raises(InvalidInput):
            Receipt.from_tlog_proof(RECEIPT.to_tlog_proof().replace(old, new), RECEIPT.entry)

    @pytest.mark.parametrize(
        "change",
        [
            {"kind": "tallystick/receipt/v2"},
            {"kind": None},
            {"entry": "A"},
            {"entry": "A" * 4 * (ENTRY_BYTES_MAX // 3 + 2)},
            {"index": "6"},
            {"index": -1},
            {"path": "00" * 32},
            {"path": [None]},
            {"checkpoint": 5},
            {"unknown": 1},
        ],
        ids=lambda change: str(change)[:40],
    )
    def test_a_malformed_receipt_is_refused(self, change: dict[str, object]) -> None:
        document = json.loads(RECEIPT.to_bytes()) | change
        with pytest.raises(InvalidInput):
            Receipt.from_bytes(json.dumps(document).encode())

    def test_a_checkpoint_that_is_no_text_cannot_be_written_into_json(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            replace(RECEIPT, checkpoint=b"\xff").to_bytes()
        assert refused.value.code == "receipt.checkpoint"

    @given(st.binary(max_size=100))
    def test_arbitrary_bytes_raise_nothing_but_invalid_input(self, data: bytes) -> None:
        for read in (Receipt.from_bytes, lambda proof: Receipt.from_tlog_proof(proof, b"")):
            with pytest.raises(InvalidInput):
                read(data)

    @pytest.mark.parametrize("length", [ENTRY_BYTES_MAX, 0])
    def test_the_largest_and_the_empty_entry_travel(self, length: int) -> None:
        receipt = _receipt([b"x" * length, b"y"], 0)
        assert Receipt.from_bytes(receipt.to_bytes()).verify([LOG]).size == 2

    def test_an_entry_too_large_for_any_log_is_refused(self) -> None:
        receipt = _receipt([b"x" * (ENTRY_BYTES_MAX + 1)], 0)
        with pytest.raises(InvalidInput) as refused:
            Receipt.from_bytes(receipt.to_bytes())
        assert refused.value.code == "document.length"
