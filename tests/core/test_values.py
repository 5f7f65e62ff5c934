"""Digests, amounts, identifiers, errors, reports and the reading of documents."""

from __future__ import annotations

import hashlib
import pickle

import pytest
from eth_utils import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import documents, errors
from tallystick.core.amounts import UINT256_MAX, format_amount, parse_amount
from tallystick.core.checks import Check, Report
from tallystick.core.digest import check_digest, keccak, parse_hex32, sha256, sha256_hex
from tallystick.core.errors import InvalidInput, TallystickError, VerificationFailed
from tallystick.core.ids import ModelRef, checksum_address, parse_address
from tests.core.strategies import hashes, json_values, texts

ZERO = "0" * 64


class TestDigests:
    """32 bytes inside, 64 lower-case hex digits outside."""

    @given(st.binary(max_size=100))
    def test_sha256_is_the_standards(self, data: bytes) -> None:
        assert sha256(data) == hashlib.sha256(data).digest() == bytes.fromhex(sha256_hex(data))

    def test_keccak_is_the_evms_and_not_sha3(self) -> None:
        assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"

    @given(hashes, st.sampled_from(["", "0x", "sha256:"]))
    def test_a_digest_reads_back_bare_or_prefixed(self, digest: bytes, prefix: str) -> None:
        assert parse_hex32(prefix + digest.hex()) == digest

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ZERO[1:],
            ZERO + "0",
            ZERO[1:] + "A",
            ZERO + "\n",
            " " + ZERO,
            "0X" + ZERO,
            "md5:" + ZERO,
            "0x0x" + ZERO,
            "٠" * 64,
            None,
            0,
            b"0" * 64,
        ],
    )
    def test_another_spelling_is_refused(self, text: object) -> None:
        with pytest.raises(InvalidInput) as refused:
            parse_hex32(text)
        assert refused.value.code == "digest.hex"

    @pytest.mark.parametrize("value", [b"", bytes(31), bytes(33), ZERO, bytearray(32), None])
    def test_a_digest_is_32_bytes(self, value: object) -> None:
        assert check_digest(bytes(32)) == bytes(32)
        with pytest.raises(InvalidInput) as refused:
            check_digest(value)
        assert refused.value.code == "digest.length"


class TestAmounts:
    """Integers in the smallest unit; text with a point."""

    @given(st.integers(0, UINT256_MAX), st.integers(0, 77))
    def test_every_amount_reads_back_exactly(self, units: int, decimals: int) -> None:
        assert parse_amount(format_amount(units, decimals), decimals) == units

    @pytest.mark.parametrize(
        ("text", "decimals", "units"),
        [("0", 18, 0), ("1", 18, 10**18), ("0.000000000000000001", 18, 1), ("1.50", 6, 1_500_000), ("7", 0, 7)],
    )
    def test_amounts_are_read_as_written(self, text: str, decimals: int, units: int) -> None:
        assert parse_amount(text, decimals) == units

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ".5",
            "1.",
            "01",
            "-1",
            "+1",
            "1e3",
            "1_000",
            "1,000",
            " 1",
            "1\n",
            "0x1",
            "1.2.3",
            "١",
            "nan",
            None,
            1,
            1.5,
        ],
    )
    def test_signs_exponents_separators_and_numbers_that_are_no_text_are_refused(self, text: object) -> None:
        with pytest.raises(InvalidInput) as refused:
            parse_amount(text)
        assert refused.value.code == "amount.form"

    def test_nothing_is_rounded(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            parse_amount("0.0000001", 6)
        assert refused.value.code == "amount.decimals"

    def test_the_largest_amount_is_taken_and_one_more_refused(self) -> None:
        assert parse_amount(str(UINT256_MAX), 0) == UINT256_MAX
        for refuse in (lambda: parse_amount(str(UINT256_MAX + 1), 0), lambda: format_amount(UINT256_MAX + 1)):
            with pytest.raises(InvalidInput) as refused:
                refuse()
            assert refused.value.code == "amount.range"
        with pytest.raises(InvalidInput):
            format_amount(-1)

    @given(st.text(max_size=20))
    def test_arbitrary_text_raises_nothing_but_invalid_input(self, text: str) -> None:
        try:
            assert 0 <= parse_amount(text) <= UINT256_MAX
        except InvalidInput:
            pass


class TestAddresses:
    """EIP-55."""

    @pytest.mark.parametrize(
        "address",
        [
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
            "0xde709f2102306220921060314715629080e2fb77",
            "0x27b1fdb04752bbc536007a920d24acb045561c26",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ],
    )
    def test_the_vectors_of_the_standard(self, address: str) -> None:
        assert parse_address(address) == parse_address(address.lower()) == address
        assert parse_address("0x" + address[2:].upper()) == address

    @given(st.binary(min_size=20, max_size=20))
    def test_any_address_is_spelled_as_eth_utils_spells_it(self, raw: bytes) -> None:
        assert checksum_address(raw) == to_checksum_address(raw)

    def test_a_mistyped_address_is_refused(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            parse_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed")
        assert refused.value.code == "address.checksum"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0x",
            "0x" + "0" * 39,
            "0x" + "0" * 41,
            "0" * 40,
            "0X" + "0" * 40,
            "0x" + "g" * 40,
            "0x" + "0" * 40 + "\n",
            None,
            0,
            bytes(20),
        ],
    )
    def test_what_is_no_address_is_refused(self, text: object) -> None:
        with pytest.raises(InvalidInput) as refused:
            parse_address(text)
        assert refused.value.code == "address.form"

    @pytest.mark.parametrize("length", [0, 19, 21, 32])
    def test_an_address_has_20_bytes(self, length: int) -> None:
        with pytest.raises(InvalidInput):
            checksum_address(bytes(length))


class TestModelReferences:
    """`ID`, `ID@SEQ` or `ID@CHANNEL`."""

    @pytest.mark.parametrize(
        ("text", "reference"),
        [
            ("1", ModelRef(1)),
            ("7@3", ModelRef(7, seq=3)),
            ("7@production", ModelRef(7, channel="production")),
            ("1@a.b-c_d", ModelRef(1, channel="a.b-c_d")),
        ],
    )
    def test_a_reference_reads_and_is_written_back(self, text: str, reference: ModelRef) -> None:
        assert ModelRef.parse(text) == reference
        assert str(reference) == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0",
            "01",
            "-1",
            "a",
            "1@",
            "1@0",
            "1@01",
            "1@-1",
            "@1",
            "1@@2",
            "1@A",
            "1@a b",
            "1 ",
            "1\n",
            "١",
            "1@" + "a" * 33,
            "9" * 78,
        ],
    )
    def test_what_is_no_reference_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            ModelRef.parse(text)
        assert refused.value.code == "model.reference"


class TestErrors:
    """Five branches, by who must act."""

    def test_the_tree_is_the_one_drawn_in_its_module(self) -> None:
        kinds = {kind.__name__ for kind in TallystickError.__subclasses__()}
        assert kinds == {"InvalidInput", "Rejected", "Unavailable", "VerificationFailed", "Broken"}
        assert all(f"── {kind}" in (errors.__doc__ or "") for kind in kinds)

    def test_an_error_says_what_was_expected_and_what_came(self) -> None:
        assert str(InvalidInput("a.b", "not it", expected="x", got="y")) == "not it: expected x, got y"
        assert str(InvalidInput("a.b", "not it", got=0)) == "not it: got 0"
        assert str(InvalidInput("a.b", "not it", expected=1)) == "not it: expected 1"
        assert str(InvalidInput("a.b", "not it")) == "not it"

    def test_an_error_travels_as_flat_strings_and_through_pickle(self) -> None:
        error = VerificationFailed("a.b", "not it", expected=1, got=2, hint="look again")
        fields = {"code": "a.b", "message": "not it", "hint": "look again", "expected": "1", "got": "2"}
        assert error.to_dict() == {"error": "VerificationFailed", **fields}
        assert pickle.loads(pickle.dumps(error)).to_dict() == error.to_dict()
        assert InvalidInput("a.b", "m").to_dict() == {
            "error": "InvalidInput",
            "code": "a.b",
            "message": "m",
            "hint": "",
        }


class TestReports:
    """A verifier names everything that is wrong, and nothing is verified by checking nothing."""

    def test_a_report_holds_when_every_check_does(self) -> None:
        report = Report.of([Check.equal("a", b"\x01", b"\x01"), Check.equal("b", 2, 2)])
        report.require()
        assert (report.ok, report.passed, report.total, report.failures) == (True, 2, 2, ())
        assert report.checks[0].expected == "01"

    def test_one_fault_fails_it_and_every_fault_is_named(self) -> None:
        fault = Check.failed("c", VerificationFailed("x.y", "wrong", expected=b"\x01", got=None))
        report = Report.of([Check.equal("a", 1, 1), Check.equal("b", 1, 2)]) + Report.of([fault])
        assert (report.ok, report.passed, report.total) == (False, 1, 3)
        assert [check.name for check in report.failures] == ["b", "c"]
        assert (fault.expected, fault.got) == ("01", "")
        assert fault.to_dict() == {"name": "c", "ok": False, "detail": fault.detail, "expected": "01", "got": ""}
        with pytest.raises(VerificationFailed) as refused:
            report.require()
        assert refused.value.code == "report.failed"

    def test_an_empty_report_is_no_success(self) -> None:
        assert not Report.of([]).ok
        with pytest.raises(VerificationFailed) as refused:
            Report.of([]).require()
        assert refused.value.code == "report.empty"


class TestDocuments:
    """Reading members of parsed JSON: a value or `InvalidInput`, never a stray error."""

    @given(json_values)
    def test_any_value_is_read_or_refused(self, value: object) -> None:
        readers = (
            lambda: documents.members(value, "it", ("a",)),
            lambda: documents.text(value, "it"),
            lambda: documents.integer(value, "it"),
            lambda: documents.listed(value, "it", 3),
            lambda: documents.digest(value, "it"),
            lambda: documents.hexed(value, "it"),
            lambda: documents.unbase64(value, "it", 10),
            lambda: documents.decimal(value, "it"),
        )
        for read in readers:
            try:
                read()
            except InvalidInput:
                pass

    def test_missing_and_unknown_members_are_named(self) -> None:
        with pytest.raises(InvalidInput, match="a, b") as refused:
            documents.members({"c": 1}, "it", ("b", "a", "c"))
        assert refused.value.code == "document.missing"
        with pytest.raises(InvalidInput, match="d") as refused:
            documents.members({"c": 1, "d": 2}, "it", ("c",))
        assert refused.value.code == "document.unknown"
        assert documents.members({"c": 1, "d": 2}, "it", ("c",), ("d", "e")) == {"c": 1, "d": 2}

    def test_true_is_no_integer(self) -> None:
        with pytest.raises(InvalidInput):
            documents.integer(True, "it")

    @given(st.binary(max_size=12))
    def test_hex_and_base64_read_back_within_their_bound_and_not_one_byte_beyond(self, data: bytes) -> None:
        import base64

        encoded = base64.b64encode(data).decode()
        assert documents.hexed(data.hex(), "it", len(data)) == documents.unbase64(encoded, "it", len(data)) == data
        if data:
            with pytest.raises(InvalidInput):
                documents.hexed(data.hex(), "it", len(data) - 1)
            with pytest.raises(InvalidInput):
                documents.unbase64(encoded, "it", len(data) - 1)

    @given(texts)
    def test_decimal_takes_one_spelling_of_each_number(self, text: str) -> None:
        try:
            assert str(documents.decimal(text, "it")) == text
        except InvalidInput:
            pass

    @pytest.mark.parametrize("text", ["", "01", "+1", "1 ", "²", "١", str(2**256)])
    def test_another_spelling_of_a_number_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInput):
            documents.decimal(text, "it")
        assert documents.decimal(str(2**256 - 1), "it") == 2**256 - 1
