"""Signed notes and checkpoints: the C2SP known answers, and what a verifier must refuse."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core import merkle
from tallystick.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from tallystick.core.digest import sha256_hex
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, TREE_SIZE_MAX
from tallystick.core.note import NoteSignature, SignedNote, VerifierKey, sign_note
from tests.core.strategies import flip, hashes

LOG_KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"\x03" * 32)
ORIGIN = "example.com/tallystick/kat"
VKEY = "example.com/tallystick/kat+0b855eff+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
WITNESS_VKEY = "witness.example.com/kat+a12f3e62+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
BODY = f"{ORIGIN}\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n"
NOTE = (
    f"{BODY}\n— {ORIGIN} C4Ve/yEC8fOIClDovSFzgL8GS+FxAMabnJx2MOKrTpPa6FbJl6xGkzRFC37sPj+o23C1fbtSKGPDzUTFK3mwv6s/tgU=\n"
)
WITNESS_LINE = (
    "— witness.example.com/kat oS8+YgAAAABlU/EAtwRNfsZdmAs2S/dNIY56lR2C6S3H6N701P1Bpx19"
    "S65z9z6GyEMQU0ljysNt8dw09D+Q66SKVHiTvt4E7qMjAg==\n"
)
KEY = VerifierKey.parse(VKEY)
HEAD = Checkpoint(ORIGIN, 8, bytes.fromhex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"))

names = st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters="+"), min_size=1, max_size=12)
lines = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[chr(code) for code in range(32)]), max_size=20
)
bodies = st.lists(lines, min_size=1, max_size=5).map(lambda parts: "\n".join(parts) + "\n")


class TestKnownAnswers:
    """The published note: log seed 32 x 0x01, the eight RFC 6962 test leaves."""

    def test_the_note_has_the_published_digests_without_and_with_its_witness(self) -> None:
        without, with_witness = NOTE.encode(), (NOTE + WITNESS_LINE).encode()
        assert sha256_hex(without) == "c9dc736e4f6d3d851af0f77c00b49e9c8e4bd82b8d309e235303335e6ee1c8e6"
        assert sha256_hex(with_witness) == "7c9d15e6be2765077094b587425208ba762b0f2f4c383a519a6bcf0bcf1b10e0"

    def test_we_sign_the_published_note_byte_for_byte(self) -> None:
        assert sign_checkpoint(HEAD, LOG_KEY).to_bytes() == NOTE.encode()

    def test_the_published_note_opens_with_the_published_vkey(self) -> None:
        assert open_checkpoint(NOTE.encode(), [KEY]) == HEAD

    def test_the_vkey_is_written_as_published_though_its_base64_may_hold_a_plus(self) -> None:
        assert str(VerifierKey(ORIGIN, LOG_KEY.public_key().public_bytes_raw())) == VKEY
        plus = VerifierKey("log", b"\x00\x00" + b"\xfb\xef\xbe" * 10)
        assert str(plus).count("+") > 2
        assert VerifierKey.parse(str(plus)) == plus

    def test_a_cosignature_of_an_unknown_kind_and_key_is_ignored(self) -> None:
        assert open_checkpoint((NOTE + WITNESS_LINE).encode(), [KEY]) == HEAD

    def test_a_note_with_a_witness_is_kept_byte_for_byte(self) -> None:
        whole = (NOTE + WITNESS_LINE).encode()
        assert SignedNote.from_bytes(whole).to_bytes() == whole


class TestNotes:
    """What is signed is the text alone; who signed is decided by the keys given."""

    @given(bodies, names)
    def test_a_signed_text_reads_back_and_verifies(self, text: str, name: str) -> None:
        note = sign_note(text, name, LOG_KEY)
        key = VerifierKey(name, LOG_KEY.public_key().public_bytes_raw())
        assert SignedNote.from_bytes(note.to_bytes()) == note
        assert note.verify([key]) == (key,)
        assert VerifierKey.parse(str(key)) == key

    @given(st.integers(0, len(NOTE.encode()) * 8 - 1))
    def test_a_note_with_any_bit_flipped_is_refused(self, bit: int) -> None:
        with pytest.raises((InvalidInput, VerificationFailed)):
            open_checkpoint(flip(NOTE.encode(), bit), [KEY])

    @given(st.binary(max_size=200))
    def test_arbitrary_bytes_raise_nothing_but_invalid_input(self, data: bytes) -> None:
        with pytest.raises(InvalidInput):
            SignedNote.from_bytes(data)

    def test_a_known_key_whose_signature_fails_rejects_the_note_though_another_signed_well(self) -> None:
        good = sign_note("text\n", "a", LOG_KEY)
        known = VerifierKey("b", OTHER_KEY.public_key().public_bytes_raw())
        forged = good.with_signature(NoteSignature("b", known.id, b"\x00" * 64))
        key = VerifierKey("a", LOG_KEY.public_key().public_bytes_raw())
        assert forged.verify([key]) == (key,)
        with pytest.raises(VerificationFailed) as refused:
            forged.verify([key, known])
        assert refused.value.code == "note.signature"

    def test_a_signature_is_bound_to_the_name_it_was_made_under(self) -> None:
        note = sign_note("text\n", "a", LOG_KEY)
        with pytest.raises(VerificationFailed) as refused:
            note.verify([VerifierKey("b", LOG_KEY.public_key().public_bytes_raw())])
        assert refused.value.code == "note.unsigned"

    def test_a_note_that_no_given_key_signed_is_refused(self) -> None:
        for keys in ([], [VerifierKey(ORIGIN, OTHER_KEY.public_key().public_bytes_raw())]):
            with pytest.raises(VerificationFailed) as refused:
                SignedNote.from_bytes(NOTE.encode()).verify(keys)
            assert refused.value.code == "note.unsigned"

    def test_several_keys_may_sign_and_each_is_named_once(self) -> None:
        first, second = sign_note("text\n", "a", LOG_KEY), sign_note("text\n", "b", OTHER_KEY)
        note = first.with_signature(second.signatures[0]).with_signature(first.signatures[0])
        keys = [
            VerifierKey(name, key.public_key().public_bytes_raw()) for name, key in (("a", LOG_KEY), ("b", OTHER_KEY))
        ]
        assert note.verify(keys) == tuple(keys)

    def test_a_text_may_hold_blank_lines_because_the_last_one_separates(self) -> None:
        for text in ("a\n\nb\n", "a\n\n", "\n", "\n\n"):
            note = sign_note(text, "a", LOG_KEY)
            assert SignedNote.from_bytes(note.to_bytes()) == note

    def test_signatures_are_taken_to_their_bound_and_refused_one_beyond(self) -> None:
        line = NOTE.split("\n\n", 1)[1]
        most = NOTE + line * (NOTE_SIGNATURES_MAX - 1)
        assert len(SignedNote.from_bytes(most.encode()).signatures) == NOTE_SIGNATURES_MAX
        with pytest.raises(InvalidInput) as refused:
            SignedNote.from_bytes((most + line).encode())
        assert refused.value.code == "note.signature_line"

    def test_a_note_larger_than_its_bound_is_refused(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            SignedNote.from_bytes(b"x" * NOTE_BYTES_MAX + NOTE.encode())
        assert refused.value.code == "note.size"

    @pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\x00\n", "return\r\n", "\ud800\n"])
    def test_a_text_that_no_reader_would_take_is_not_signed(self, text: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            sign_note(text, "a", LOG_KEY)
        assert refused.value.code == "note.text"

    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            ("tgU=\n", "tgU=", "note.text"),
            ("tgU=\n", "tgU=\n\n", "note.text"),
            ("\n\n", "\n", "note.text"),
            ("— ", "- ", "note.signature_line"),
            ("— ", "—", "note.signature_line"),
            ("8\n", "8\r\n", "note.text"),
            ("kat C4", "kat  C4", "note.signature_line"),
            ("kat C4", "ka+t C4", "note.name"),
            ("kat C4", "ka\u00a0t C4", "note.name"),
            ("tgU=\n", "tgV=\n", "note.signature_line"),  # the last two bits of base64 are not zero
            ("tgU=\n", "tgU\n", "note.signature_line"),
            ("tgU=\n", "tgU= \n", "note.signature_line"),
            ("/yEC", "_yEC", "note.signature_line"),  # URL-safe alphabet
            ("tgU=", "t\u00e9U=", "note.signature_line"),
        ],
    )
    def test_a_malformed_note_is_refused(self, old: str, new: str, code: str) -> None:
        assert old in NOTE
        head, _, tail = NOTE.rpartition(old)
        with pytest.raises(InvalidInput) as refused:
            SignedNote.from_bytes(f"{head}{new}{tail}".encode())
        assert refused.value.code == code

    def test_a_signature_too_short_to_name_its_key_is_refused(self) -> None:
        short = base64.b64encode(b"1234").decode()
        with pytest.raises(InvalidInput) as refused:
            SignedNote.from_bytes(f"text\n\n— a {short}\n".encode())
        assert refused.value.code == "note.signature_line"


class TestVerifierKeys:
    """A vkey names its own key id, which is recomputed and never trusted."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "name",
            "name+00000000",
            VKEY.replace("0b855eff", "0b855efe"),
            VKEY.replace("0b855eff", "0B855EFF"),
            VKEY.replace("D29c", "D29d"),
            VKEY + "=",
            VKEY + "\n",
            VKEY.replace("+AY", "+ AY"),
            "+" + VKEY.split("+", 1)[1],
            "a b+" + VKEY.split("+", 1)[1],
            WITNESS_VKEY,
        ],
    )
    def test_a_malformed_or_foreign_vkey_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInput):
            VerifierKey.parse(text)

    @pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u2028b", "\ud800", "x" * 256, "é" * 128])
    def test_a_name_that_could_break_a_line_or_a_vkey_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            VerifierKey(name, b"\x00" * 32)
        assert refused.value.code == "note.name"

    def test_a_key_of_another_length_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            VerifierKey("a", b"\x00" * 31)

    @given(st.text(max_size=80))
    def test_arbitrary_text_raises_nothing_but_invalid_input(self, text: str) -> None:
        with pytest.raises(InvalidInput):
            VerifierKey.parse(text)

    def test_a_public_key_that_is_no_curve_point_verifies_nothing(self) -> None:
        key = VerifierKey(ORIGIN, b"\xff" * 32)
        note = SignedNote("text\n", (NoteSignature(ORIGIN, key.id, b"\x00" * 64),))
        with pytest.raises(VerificationFailed):
            note.verify([key])


class TestCheckpoints:
    """Three lines: origin, size, root."""

    @given(names, st.integers(0, TREE_SIZE_MAX), hashes)
    def test_a_checkpoint_reads_back_and_opens(self, origin: str, size: int, root: bytes) -> None:
        head = Checkpoint(origin, size, root)
        assert Checkpoint.parse(head.body) == head
        key = VerifierKey(origin, LOG_KEY.public_key().public_bytes_raw())
        assert open_checkpoint(sign_checkpoint(head, LOG_KEY).to_bytes(), [key]) == head

    @given(st.text(max_size=120))
    def test_arbitrary_text_raises_nothing_but_invalid_input(self, body: str) -> None:
        with pytest.raises(InvalidInput):
            Checkpoint.parse(body)

    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            ("8\n", "08\n", "checkpoint.size"),
            ("8\n", "+8\n", "checkpoint.size"),
            ("8\n", "8 \n", "checkpoint.size"),
            ("8\n", "٨\n", "checkpoint.size"),
            ("8\n", "-8\n", "checkpoint.size"),
            ("8\n", "\n", "checkpoint.size"),
            ("8\n", f"{2**63}\n", "checkpoint.size"),
            ("8\n", f"{10**30}\n", "checkpoint.size"),
            ("Qyg=", "Qyh=", "checkpoint.root"),
            ("Qyg=", "Qyg", "checkpoint.root"),
            ("Qyg=", "Qyg=é", "checkpoint.root"),
            ("Qyg=", "", "checkpoint.root"),
            ("Qyg=\n", "Qyg=\nextension\n", "checkpoint.form"),
            ("Qyg=\n", "Qyg=", "checkpoint.form"),
            (ORIGIN, "", "checkpoint.origin"),
            (ORIGIN, "x" * 256, "checkpoint.origin"),
        ],
    )
    def test_another_spelling_of_a_checkpoint_is_refused(self, old: str, new: str, code: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            Checkpoint.parse(HEAD.body.replace(old, new))
        assert refused.value.code == code

    def test_the_largest_size_is_taken(self) -> None:
        assert Checkpoint.parse(HEAD.body.replace("8\n", f"{TREE_SIZE_MAX}\n")).size == TREE_SIZE_MAX

    def test_a_trusted_key_of_another_name_does_not_open_a_checkpoint(self) -> None:
        # The same key signed under a witness's name: only the log's own name speaks for the log.
        note = sign_note(HEAD.body, "witness.example.com", LOG_KEY)
        key = VerifierKey("witness.example.com", LOG_KEY.public_key().public_bytes_raw())
        assert note.verify([key]) == (key,)
        with pytest.raises(VerificationFailed) as refused:
            open_checkpoint(note.to_bytes(), [key, KEY])
        assert refused.value.code == "note.unsigned"

    def test_a_note_that_is_no_checkpoint_is_refused_before_its_signature_is_looked_at(self) -> None:
        with pytest.raises(InvalidInput):
            open_checkpoint(sign_note("hello\n", ORIGIN, LOG_KEY).to_bytes(), [KEY])

    def test_an_empty_log_has_the_empty_root(self) -> None:
        head = Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT)
        assert open_checkpoint(sign_checkpoint(head, LOG_KEY).to_bytes(), [KEY]) == head

    @pytest.mark.parametrize("origin", ["", "a\nb", "\ud800"])
    def test_an_origin_that_is_not_one_line_of_text_is_refused(self, origin: str) -> None:
        with pytest.raises(InvalidInput):
            sign_checkpoint(Checkpoint(origin, 0, merkle.EMPTY_ROOT), LOG_KEY)
