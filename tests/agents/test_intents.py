"""An intent record has one spelling and one hash, is signed by its session alone, and is found again by its hash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.intents import Intent, Model, Payment, Tool
from tallystick.agents.intents_signed import Act, SignedIntent, check_signed
from tallystick.agents.intents_store import IntentStore
from tallystick.chain.accounts import Account
from tallystick.core import canonical
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable, VerificationFailed
from tallystick.core.limits import INTENT_BYTES_MAX
from tallystick.store.blobs import BlobStore

SECRET, OTHER = b"\x07" * 32, b"\x08" * 32
SESSION = Account(SECRET).address
ACCOUNT, SHOP, USD = (f"0x{n:040d}" for n in (99, 41, 31))
INTENT = Intent(
    account=ACCOUNT,
    chain_id=1337,
    session=SESSION,
    created_at=1_800_000_000,
    asked_by="ada@example.com",
    purpose="the weather in Reims for the next ten days",
    model=Model("small-planner", sha256(b"weights")),
    prompt=sha256(b"prompt"),
    policy=sha256(b"policy"),
    tools=(Tool("search", sha256(b"in"), sha256(b"out")),),
    payment=Payment(SHOP, USD, 250_000),
    quote=sha256(b"quote"),
    task="task-1",
    context="context-1",
    parent=sha256(b"parent"),
)
ACT = Act(ACCOUNT, 1337, SESSION, INTENT.hash(), USD, 250_000)


class TestTheRecord:
    """It has one spelling."""

    def test_its_hash_is_the_digest_of_its_canonical_bytes(self) -> None:
        assert INTENT.hash() == sha256(INTENT.to_bytes())
        assert Intent.from_bytes(INTENT.to_bytes()) == INTENT

    @given(
        st.text(max_size=40), st.integers(1, 2**53 - 1), st.integers(0, 2**256 - 1), st.sampled_from([None, b"q" * 32])
    )
    def test_what_is_written_is_read_back_the_same(
        self, text: str, chain: int, amount: int, quote: bytes | None
    ) -> None:
        intent = replace(INTENT, asked_by=text, chain_id=chain, payment=Payment(SHOP, USD, amount), quote=quote)
        assert Intent.from_bytes(intent.to_bytes()) == intent

    def test_every_member_changes_the_hash(self) -> None:
        others: dict[str, Any] = {
            "account": SHOP, "chain_id": 1, "session": SHOP, "created_at": 1, "asked_by": "eve", "purpose": "",
            "prompt": bytes(32),
            "model": Model("m", bytes(32)), "policy": bytes(32), "tools": (), "payment": None, "quote": None,
            "task": "",
            "context": "", "parent": None,
        }  # fmt: skip
        assert set(others) == set(vars(INTENT))
        hashes = {replace(INTENT, **{name: value}).hash() for name, value in others.items()}
        assert len(hashes | {INTENT.hash()}) == len(others) + 1

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"format": "tallystick-intent-2"}, "intent.format"),
            ({"note": ""}, "document.unknown"),
            ({"account": ACCOUNT[:-1]}, "address.form"),
            ({"session": SESSION.lower()}, "intent.address"),
            ({"created_at": -1}, "document.range"),
            ({"purpose": "x" * 1_025}, "document.length"),
            ({"prompt": "0x" + "ab" * 32}, "digest.hex"),
            ({"tools": [{"name": "x"}] * 65}, "document.length"),
            ({"payment": {"amount": "01", "payee": SHOP, "token": USD}}, "document.decimal"),
            ({"payment": {"amount": 1, "payee": SHOP, "token": USD}}, "document.type"),
            ({"model": None}, "document.type"),
        ],
    )
    def test_another_form_is_refused(self, changed: dict[str, Any], code: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            Intent.from_bytes(canonical.encode({**INTENT.to_dict(), **changed}))
        assert caught.value.code == code

    @pytest.mark.parametrize(
        "text",
        ["ab" * 32, "key 0x" + "AB" * 32, "-----BEGIN EC PRIVATE KEY-----", "sk-" + "a" * 20, "eyJhbGciOiJIUzI1NiJ9.x"],
    )
    def test_a_text_that_looks_like_a_secret_is_never_written(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="looks of a key"):
            replace(INTENT, purpose=f"use {text} please").to_bytes()

    def test_too_many_bytes_are_not_parsed(self) -> None:
        with pytest.raises(InvalidInput, match="too large"):
            Intent.from_bytes(b" " * (INTENT_BYTES_MAX + 1))

    def test_a_second_spelling_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="canonical"):
            Intent.from_bytes(INTENT.to_bytes().replace(b'"account"', b' "account"'))


class TestTheSignature:
    """It is the session's, for this account and chain."""

    def test_a_signed_record_stands_up_to_its_act(self) -> None:
        signed = SignedIntent.sign(INTENT, SECRET)
        assert SignedIntent.from_bytes(signed.to_bytes()) == signed
        report = check_signed(signed, ACT)
        assert report.ok
        assert report.total == 5

    def test_another_key_cannot_sign(self) -> None:
        with pytest.raises(InvalidInput, match="not the session's"):
            SignedIntent.sign(INTENT, OTHER)

    @pytest.mark.parametrize(
        ("act", "name"),
        [
            (replace(ACT, intent_hash=bytes(32)), "intent hash"),
            (replace(ACT, account=SHOP), "account"),
            (replace(ACT, chain_id=1), "account"),
            (replace(ACT, session=SHOP), "session"),
            (replace(ACT, amount=250_001), "spending"),
            (replace(ACT, token=SHOP), "spending"),
        ],
    )
    def test_an_act_that_it_does_not_speak_of_is_named(self, act: Act, name: str) -> None:
        assert [one.name for one in check_signed(SignedIntent.sign(INTENT, SECRET), act).failures] == [name]

    def test_a_signature_over_another_record_is_nobodys(self) -> None:
        stolen = SignedIntent(replace(INTENT, purpose="other"), SignedIntent.sign(INTENT, SECRET).signature)
        act = replace(ACT, intent_hash=stolen.intent.hash())
        assert [one.name for one in check_signed(stolen, act).failures] == ["signature"]

    def test_a_record_without_payment_covers_no_spending(self) -> None:
        signed = SignedIntent.sign(replace(INTENT, payment=None), SECRET)
        act = replace(ACT, intent_hash=signed.intent.hash())
        assert [one.name for one in check_signed(signed, act).failures] == ["spending"]
        assert check_signed(signed, replace(act, amount=0)).ok


class TestTheStore:
    """What was kept is found by the hash on chain, unchanged or not at all."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> IntentStore:
        return IntentStore(BlobStore(str(tmp_path / "blobs")))

    def test_a_record_is_found_by_its_hash(self, store: IntentStore) -> None:
        signed = SignedIntent.sign(INTENT, SECRET)
        assert store.keep(signed) == INTENT.hash()
        assert store.keep(signed) == INTENT.hash()
        assert store.find(INTENT.hash()) == signed

    def test_an_unknown_hash_is_said_to_be_unknown(self, store: IntentStore) -> None:
        with pytest.raises(Unavailable, match="no record of this intent"):
            store.find(bytes(32))

    def test_a_record_that_its_session_did_not_sign_is_not_kept(self, store: IntentStore) -> None:
        stranger = SignedIntent.sign(replace(INTENT, session=Account(OTHER).address), OTHER)
        with pytest.raises(VerificationFailed, match="did not sign"):
            store.keep(SignedIntent(INTENT, stranger.signature))
        assert not store.has(INTENT.hash())

    @pytest.mark.parametrize("what", ["sha256", "intents"])
    def test_a_changed_file_is_no_longer_found(self, store: IntentStore, tmp_path: Path, what: str) -> None:
        store.keep(SignedIntent.sign(INTENT, SECRET))
        (path,) = (one for one in (tmp_path / "blobs" / what).rglob("*") if one.is_file())
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"\x00")
        with pytest.raises(TallystickError):
            store.find(INTENT.hash())
