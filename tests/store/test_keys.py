"""Keys at rest: opened by their passphrase alone, exchangeable with other wallets, and never shown."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys

import eth_keyfile
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.core.errors import InvalidInput, TallystickError, VerificationFailed
from tallystick.store.keys import DEVELOPMENT_PASSPHRASE, Keyring, SecretKey
from tallystick.store.keystore import seal, unseal

LIGHT = 2**4  # scrypt work for tests; the standard work is tried once, below
HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)

secrets32 = st.binary(min_size=32, max_size=32)

# Web3 Secret Storage Definition, "Test Vectors" (ethereum.org); passphrase "testpassword"
VECTOR_SECRET = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
PBKDF2_VECTOR = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
SCRYPT_VECTOR = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "p": 8,
            "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}


def say(passphrase: str):
    return lambda name: passphrase


def never(name: str) -> str:
    raise AssertionError(f"asked for the passphrase of {name}")


def refusal(call, *arguments, **named) -> TallystickError:
    with pytest.raises(TallystickError) as refused:
        call(*arguments, **named)
    return refused.value


@pytest.fixture
def keyring(tmp_path):
    return Keyring(tmp_path / "keys", scrypt_n=LIGHT)


# --- the file format


@given(secret=secrets32, passphrase=st.binary(min_size=1, max_size=40), other=st.binary(min_size=1, max_size=40))
@HERE
def test_a_secret_comes_back_under_its_passphrase_and_no_other(secret, passphrase, other):
    sealed = seal(secret, passphrase, LIGHT)
    assert unseal(sealed, passphrase) == secret
    if other != passphrase:
        assert refusal(unseal, sealed, other).code == "keys.passphrase"


@pytest.mark.parametrize("vector", [PBKDF2_VECTOR, SCRYPT_VECTOR], ids=["pbkdf2", "scrypt"])
def test_the_published_vectors_open(keyring, vector):
    info = keyring.import_keystore("vector", json.dumps(vector).encode(), say("testpassword"))
    assert info.public == "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b"
    secret = keyring.account("vector", say("testpassword"), chain_is_embedded=False)
    assert secret.reveal().hex() == VECTOR_SECRET


@given(secret=st.integers(1, 2**255).map(lambda n: n.to_bytes(32, "big")), passphrase=st.text(min_size=1, max_size=20))
@settings(deadline=None, max_examples=10)
def test_eth_keyfile_reads_what_we_write_and_we_read_what_it_writes(secret, passphrase):
    phrase = passphrase.encode()
    ours = {"version": 3, "crypto": seal(secret, phrase, LIGHT)}
    assert eth_keyfile.decode_keyfile_json(ours, phrase) == secret
    for kdf, work in (("scrypt", LIGHT), ("pbkdf2", 10)):
        theirs = eth_keyfile.create_keyfile_json(secret, phrase, kdf=kdf, iterations=work)
        assert unseal(theirs["crypto"], phrase) == secret


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=70) | st.sampled_from(["scrypt", "pbkdf2", "00" * 32]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ["cipher", "cipherparams", "ciphertext", "kdf", "kdfparams", "mac"]
PARAMS = ["dklen", "n", "r", "p", "salt"]


@given(
    fields=st.dictionaries(st.sampled_from(FIELDS), json_values),
    params=st.dictionaries(st.sampled_from(PARAMS), json_values),
)
@HERE
def test_a_malformed_file_can_only_be_refused(fields, params):
    sealed = seal(b"s" * 32, b"phrase", LIGHT)
    sealed["kdfparams"] |= params
    sealed |= fields
    try:
        unseal(sealed, b"phrase")
    except InvalidInput:
        return
    assert not fields.keys() & {"ciphertext", "mac", "kdf", "cipher"}


@given(data=st.binary(max_size=60))
@HERE
def test_bytes_that_are_no_keystore_can_only_be_refused(keyring, data):
    assert isinstance(refusal(keyring.import_keystore, "x", data, say("p")), InvalidInput)


@pytest.mark.parametrize(
    ("member", "value"),
    [("n", 2**24), ("n", 1000), ("n", 1), ("p", 17), ("r", 65), ("dklen", 16), ("dklen", 2**31), ("salt", "0" * 512)],
)
def test_work_that_could_not_be_meant_is_refused_before_it_is_done(member, value):
    sealed = seal(b"s" * 32, b"phrase", LIGHT)
    sealed["kdfparams"][member] = value
    assert isinstance(refusal(unseal, sealed, b"phrase"), InvalidInput)


def test_pbkdf2_with_unbounded_rounds_or_another_prf_is_refused():
    for member, value in (("c", 2**40), ("c", 0), ("prf", "hmac-sha1")):
        vector = copy.deepcopy(PBKDF2_VECTOR["crypto"])
        vector["kdfparams"][member] = value
        assert isinstance(refusal(unseal, vector, b"testpassword"), InvalidInput)


# --- the ring


def test_both_kinds_are_made_listed_and_opened(keyring):
    account = keyring.create_account("alice", say("one"))
    signer = keyring.create_signer("log-key", say("two"))
    assert keyring.list() == (account, signer)
    secret = keyring.account("alice", say("one"), chain_is_embedded=False)
    assert (secret.address, account.kind, account.development) == (account.public, "secp256k1", False)
    key = keyring.signer("log-key", say("two"), chain_is_embedded=False)
    assert key.public_key().public_bytes_raw().hex() == signer.public


@given(secret=st.integers(1, 2**255).map(lambda n: n.to_bytes(32, "big")), seed=secrets32)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
def test_imported_keys_are_the_same_keys(tmp_path, secret, seed):
    keyring = Keyring(tmp_path / secret.hex() / seed.hex(), scrypt_n=LIGHT)
    keyring.import_account("a", secret, say("p"))
    keyring.import_signer("s", seed, say("p"))
    assert keyring.account("a", say("p"), chain_is_embedded=False).reveal() == secret
    assert keyring.signer("s", say("p"), chain_is_embedded=False).private_bytes_raw() == seed


def test_a_wrong_passphrase_is_the_callers_mistake(keyring):
    keyring.create_account("alice", say("right"))
    error = refusal(keyring.account, "alice", say("wrong"), chain_is_embedded=False)
    assert (type(error), error.code) == (InvalidInput, "keys.passphrase")


def test_an_empty_passphrase_is_refused(keyring):
    assert refusal(keyring.create_account, "alice", say("")).code == "keys.weak"
    assert keyring.list() == ()


def test_a_key_is_never_replaced(keyring):
    first = keyring.create_account("alice", say("p"))
    for make in (keyring.create_account, keyring.create_signer):
        assert refusal(make, "alice", never).code == "keys.exists"
    assert keyring.info("alice") == first


def test_a_key_of_the_other_kind_is_refused_before_its_passphrase_is_asked(keyring):
    keyring.create_account("account", say("p"))
    keyring.create_signer("signer", say("p"))
    assert refusal(keyring.signer, "account", never, chain_is_embedded=True).code == "keys.kind"
    assert refusal(keyring.account, "signer", never, chain_is_embedded=True).code == "keys.kind"


def test_a_name_that_is_not_there_or_no_name_is_refused(keyring):
    assert refusal(keyring.info, "nobody").code == "keys.missing"
    for name in ("", "A", "../x", "a/b", ".x", "a" * 65, "é", "a\n"):
        assert refusal(keyring.info, name).code == "keys.name"


@pytest.mark.parametrize("secret", [b"", b"x" * 31, bytes(32), b"\xff" * 32])
def test_bytes_that_are_no_secret_are_refused(keyring, secret):
    assert refusal(keyring.import_account, "a", secret, never).code == "keys.secret"
    if len(secret) != 32:
        assert refusal(keyring.import_signer, "s", secret, never).code == "keys.secret"


def test_only_the_owner_may_read_a_key_and_a_key_open_to_others_is_refused(keyring):
    keyring.create_account("alice", say("p"))
    path = keyring.folder / "alice.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert keyring.folder.stat().st_mode & 0o777 == 0o700
    path.chmod(0o644)
    assert refusal(keyring.account, "alice", never, chain_is_embedded=True).code == "files.permissions"


def test_a_link_in_the_place_of_a_key_is_refused(keyring):
    keyring.create_account("alice", say("p"))
    (keyring.folder / "bob.json").symlink_to("alice.json")
    assert refusal(keyring.info, "bob").code == "files.symlink"


def test_a_file_that_claims_another_public_key_is_caught(keyring):
    keyring.create_account("alice", say("p"))
    keyring.create_account("bob", say("p"))
    path = keyring.folder / "alice.json"
    document = json.loads(path.read_text())
    document["tallystick"]["public"] = keyring.info("bob").public
    path.write_text(json.dumps(document))
    error = refusal(keyring.account, "alice", say("p"), chain_is_embedded=False)
    assert (type(error), error.code, error.expected) == (VerificationFailed, "keys.public", keyring.info("bob").public)


def test_a_keystore_of_another_wallet_may_lie_in_the_folder(keyring):
    keyring.folder.mkdir()
    path = keyring.folder / "geth.json"
    document = PBKDF2_VECTOR | {"address": "008aeeda4d805471df9b2a5b0f38a0c3bcba786b"}
    document["Crypto"] = document.pop("crypto")
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    assert keyring.info("geth").public == "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b"
    assert keyring.account("geth", say("testpassword"), chain_is_embedded=False).reveal().hex() == VECTOR_SECRET


# --- development keys


def test_a_development_key_is_made_once_needs_no_passphrase_and_says_what_it_is(keyring):
    first = keyring.development_account(chain_is_embedded=True)
    assert keyring.development_account(chain_is_embedded=True).reveal() == first.reveal()
    assert keyring.account("development", never, chain_is_embedded=True).reveal() == first.reveal()
    assert keyring.info("development").development
    assert DEVELOPMENT_PASSPHRASE in (keyring.folder / "development.json").read_text()
    signer = keyring.development_signer("log", chain_is_embedded=True)
    assert isinstance(signer, Ed25519PrivateKey)


def test_a_development_key_is_refused_on_any_other_chain(keyring):
    assert refusal(keyring.development_account, chain_is_embedded=False).code == "keys.development"
    assert keyring.list() == ()
    keyring.development_account(chain_is_embedded=True)
    keyring.development_signer("log", chain_is_embedded=True)
    for error in (
        refusal(keyring.account, "development", never, chain_is_embedded=False),
        refusal(keyring.signer, "log", never, chain_is_embedded=False),
        refusal(keyring.development_account, chain_is_embedded=False),
    ):
        assert error.code == "keys.development"
        assert "embedded chain" in str(error)


def test_a_key_with_a_passphrase_is_no_development_key(keyring):
    keyring.create_account("development", say("mine"))
    assert refusal(keyring.development_account, chain_is_embedded=True).code == "keys.development"


FIRST_USE = """
import sys
from pathlib import Path
from tallystick.store.keys import Keyring
sys.stdin.readline()
print(Keyring(Path(sys.argv[1])).development_account(chain_is_embedded=True).address)
"""


def test_processes_that_make_the_development_key_at_once_get_the_same_one(tmp_path):
    arguments = [sys.executable, "-c", FIRST_USE, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(arguments, **pipes) for _ in range(4)]
    answers = [process.communicate("\n")[0] for process in processes]
    assert len(set(answers)) == 1
    assert answers[0].startswith("0x")


# --- secrecy


def test_no_secret_in_what_is_printed_raised_or_pickled(keyring):
    secret = bytes(range(1, 33))
    key = SecretKey(secret)
    shown = [repr(key), str(key), f"{key}", repr([key]), str(vars(SecretKey))]
    keyring.import_account("a", secret, say("open sesame"))
    error = refusal(keyring.account, "a", say("close sesame"), chain_is_embedded=False)
    shown += [str(error), repr(error), str(error.to_dict()), (keyring.folder / "a.json").read_text()]
    for text in shown:
        assert secret.hex() not in text.lower()
        assert repr(secret)[2:-1] not in text
        assert "sesame" not in text
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        copy.deepcopy(key)


def test_the_standard_work_is_the_default_and_opens(tmp_path):
    keyring = Keyring(tmp_path)
    keyring.import_account("a", b"\1" * 32, say("p"))
    params = json.loads((tmp_path / "a.json").read_text())["crypto"]["kdfparams"]
    assert (params["n"], params["r"], params["p"], params["dklen"]) == (2**18, 8, 1, 32)
    assert keyring.account("a", say("p"), chain_is_embedded=False).reveal() == b"\1" * 32
