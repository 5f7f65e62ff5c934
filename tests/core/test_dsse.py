"""DSSE envelopes and the in-toto statements inside them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import canonical, dsse
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import SIGNATURES_MAX, SUBJECTS_MAX
from tallystick.core.statement import IN_TOTO, Statement, Subject
from tests.core.strategies import flip, hashes, json_values, texts

FIRST = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
SECOND = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
FIRST_PUBLIC = FIRST.public_key().public_bytes_raw()
SECOND_PUBLIC = SECOND.public_key().public_bytes_raw()
PREDICATE = "https://example.com/predicate/v1"

statements = st.builds(
    Statement,
    st.lists(st.builds(Subject, texts.filter(bool), hashes), min_size=1, max_size=3).map(tuple),
    st.just(PREDICATE),
    st.dictionaries(texts, json_values, max_size=3),
)


def _both(payload_type: str, payload: bytes) -> dsse.Envelope:
    first, second = dsse.sign(payload_type, payload, FIRST, "one"), dsse.sign(payload_type, payload, SECOND, "two")
    return replace(first, signatures=first.signatures + second.signatures)


class TestEnvelopes:
    """The payload and its type are signed together; who signed is decided by the keys given."""

    def test_the_official_vector_of_the_pre_authentication_encoding(self) -> None:
        signed = dsse.pae("http://example.com/HelloWorld", b"hello world")
        assert signed == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"

    def test_lengths_are_counted_in_bytes_not_characters(self) -> None:
        assert dsse.pae("é", "ü".encode()) == "DSSEv1 2 é 2 ü".encode()

    @given(texts, st.binary(max_size=40), texts, st.binary(max_size=40))
    def test_two_different_documents_are_never_signed_alike(self, a: str, b: bytes, c: str, d: bytes) -> None:
        assert (dsse.pae(a, b) == dsse.pae(c, d)) == ((a, b) == (c, d))

    @given(texts, st.binary(max_size=100), st.text(max_size=20).filter(lambda text: text.isprintable()))
    def test_a_signed_payload_reads_back_and_verifies(self, kind: str, payload: bytes, keyid: str) -> None:
        envelope = dsse.sign(kind, payload, FIRST, keyid)
        again = dsse.Envelope.from_bytes(envelope.to_bytes())
        assert again == envelope
        assert again.verify([FIRST_PUBLIC]) == (FIRST_PUBLIC,)
        assert again.digest == sha256(payload)

    @given(st.binary(min_size=1, max_size=60), st.integers(0, 1_000))
    def test_a_payload_with_any_bit_flipped_is_refused(self, payload: bytes, bit: int) -> None:
        envelope = dsse.sign(IN_TOTO, payload, FIRST)
        changed = replace(envelope, payload=flip(payload, bit % (len(payload) * 8)))
        with pytest.raises(VerificationFailed):
            changed.verify([FIRST_PUBLIC])

    def test_a_payload_under_another_type_is_refused(self) -> None:
        envelope = replace(dsse.sign(IN_TOTO, b"{}", FIRST), payload_type="application/json")
        with pytest.raises(VerificationFailed):
            envelope.verify([FIRST_PUBLIC])

    def test_the_threshold_counts_different_keys(self) -> None:
        envelope = _both(IN_TOTO, b"{}")
        assert envelope.verify([FIRST_PUBLIC, SECOND_PUBLIC], 2) == (FIRST_PUBLIC, SECOND_PUBLIC)
        with pytest.raises(VerificationFailed):
            envelope.verify([FIRST_PUBLIC, FIRST_PUBLIC], 2)
        doubled = replace(envelope, signatures=envelope.signatures[:1] * 2)
        with pytest.raises(VerificationFailed):
            doubled.verify([FIRST_PUBLIC, SECOND_PUBLIC], 2)

    @pytest.mark.parametrize("threshold", [0, -1, 1])
    def test_no_threshold_lets_an_envelope_through_that_no_key_signed(self, threshold: int) -> None:
        envelope = dsse.sign(IN_TOTO, b"{}", FIRST)
        for keys in ([], [SECOND_PUBLIC]):
            with pytest.raises(VerificationFailed):
                envelope.verify(keys, threshold)

    def test_the_key_id_is_a_hint_that_decides_nothing(self) -> None:
        lying = dsse.sign(IN_TOTO, b"{}", FIRST, keyid=SECOND_PUBLIC.hex())
        assert lying.verify([SECOND_PUBLIC, FIRST_PUBLIC]) == (FIRST_PUBLIC,)

    def test_a_signature_of_a_kind_we_do_not_know_does_not_spoil_one_that_we_do(self) -> None:
        envelope = dsse.sign(IN_TOTO, b"{}", FIRST)
        foreign = dsse.Signature("p-256", b"\x30\x45" + b"\x01" * 69)
        assert replace(envelope, signatures=(foreign, *envelope.signatures)).verify([FIRST_PUBLIC]) == (FIRST_PUBLIC,)

    def test_a_key_that_is_not_32_bytes_is_the_callers_fault(self) -> None:
        with pytest.raises(InvalidInput):
            dsse.sign(IN_TOTO, b"{}", FIRST).verify([FIRST_PUBLIC[:31]])

    def test_url_safe_base64_is_read_as_the_specification_allows(self) -> None:
        payload = b"\xfb\xff\xfe?>" * 3
        document = json.loads(dsse.sign(IN_TOTO, payload, FIRST).to_bytes())
        document["payload"] = base64.urlsafe_b64encode(payload).decode()
        assert "_" in document["payload"]
        assert dsse.Envelope.from_bytes(json.dumps(document).encode()).payload == payload

    @pytest.mark.parametrize(
        "change",
        [
            {"payload": "e30"},
            {"payload": "e30=\n"},
            {"payload": "e31="},
            {"payload": 5},
            {"payload": None},
            {"payloadType": 5},
            {"payloadType": "x" * 256},
            {"signatures": []},
            {"signatures": {}},
            {"signatures": [{}]},
            {"signatures": [{"sig": 1}]},
            {"signatures": [{"sig": "AA==", "keyid": None}]},
            {"signatures": [{"sig": "AA=="}] * (SIGNATURES_MAX + 1)},
            {"extra": 1},
        ],
        ids=str,
    )
    def test_a_malformed_envelope_is_refused(self, change: dict[str, object]) -> None:
        document = json.loads(dsse.sign(IN_TOTO, b"{}", FIRST).to_bytes()) | change
        with pytest.raises(InvalidInput):
            dsse.Envelope.from_bytes(json.dumps(document).encode())

    @pytest.mark.parametrize("member", ["payload", "payloadType", "signatures"])
    def test_an_envelope_without_one_of_its_members_is_refused(self, member: str) -> None:
        document = json.loads(dsse.sign(IN_TOTO, b"{}", FIRST).to_bytes())
        del document[member]
        with pytest.raises(InvalidInput):
            dsse.Envelope.from_bytes(json.dumps(document).encode())

    @given(st.one_of(st.binary(max_size=60), json_values.map(canonical.encode)))
    def test_arbitrary_bytes_and_documents_raise_nothing_but_invalid_input(self, data: bytes) -> None:
        for read in (dsse.Envelope.from_bytes, Statement.from_bytes):
            with pytest.raises(InvalidInput):
                read(data)


class TestStatements:
    """in-toto Statement v1."""

    @given(statements)
    def test_a_statement_reads_back_the_same_and_is_canonical(self, statement: Statement) -> None:
        data = statement.to_bytes()
        assert Statement.from_bytes(data) == statement
        assert canonical.encode(canonical.decode(data)) == data

    def test_the_bytes_are_the_documented_ones(self) -> None:
        statement = Statement((Subject("model", bytes(32)),), PREDICATE, {"steps": 9007199254740991, "rate": "0.1"})
        assert statement.to_bytes() == (
            b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"rate":"0.1","steps":9007199254740991},'
            b'"predicateType":"https://example.com/predicate/v1","subject":[{"digest":{"sha256":"' + b"0" * 64 + b'"},'
            b'"name":"model"}]}'
        )

    def test_a_float_in_the_predicate_cannot_be_signed(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            Statement((Subject("model", bytes(32)),), PREDICATE, {"rate": 0.1}).to_bytes()
        assert refused.value.code == "canonical.float"

    def test_another_spelling_is_read_because_the_signed_bytes_are_what_counts(self) -> None:
        statement = Statement((Subject("model", bytes(32)),), PREDICATE, {"b": 1, "a": [True, None]})
        indented = json.dumps(json.loads(statement.to_bytes()), indent=2, sort_keys=False).encode()
        assert Statement.from_bytes(indented) == statement

    @pytest.mark.parametrize(
        "change",
        [
            {"_type": "https://in-toto.io/Statement/v0.1"},
            {"_type": ["https://in-toto.io/Statement/v1"]},
            {"predicateType": "not a uri"},
            {"predicateType": None},
            {"predicate": []},
            {"predicate": None},
            {"subject": []},
            {"subject": [{"name": "", "digest": {"sha256": "00" * 32}}]},
            {"subject": [{"name": "a", "digest": {}}]},
            {"subject": [{"name": "a", "digest": {"sha256": "zz" * 32}}]},
            {"subject": [{"name": "a", "digest": {"sha256": "00" * 31}}]},
            {"subject": [{"name": "a", "digest": {"sha256": "AA" * 32}}]},
            {"subject": [{"name": "a", "digest": {"sha256": "0x" + "00" * 32}}]},
            {"subject": [{"name": "a", "digest": {"sha512": "00" * 64}}]},
            {"subject": [{"digest": {"sha256": "00" * 32}}]},
            {"subject": [{"name": "a", "digest": {"sha256": "00" * 32}}] * (SUBJECTS_MAX + 1)},
            {"unknown": 1},
        ],
        ids=lambda change: str(change)[:60],
    )
    def test_what_is_no_v1_statement_is_refused(self, change: dict[str, object]) -> None:
        document = json.loads(Statement((Subject("a", bytes(32)),), PREDICATE, {}).to_bytes()) | change
        with pytest.raises(InvalidInput):
            Statement.from_bytes(json.dumps(document).encode())

    def test_other_digests_beside_sha256_are_allowed(self) -> None:
        document = json.loads(Statement((Subject("a", bytes(32)),), PREDICATE, {}).to_bytes())
        document["subject"][0]["digest"]["md5"] = "0" * 32
        assert Statement.from_bytes(json.dumps(document).encode()).subjects == (Subject("a", bytes(32)),)

    @pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33)])
    def test_a_subject_needs_a_whole_digest(self, digest: bytes) -> None:
        with pytest.raises(InvalidInput):
            Subject("a", digest)
