"""The signed form of an answer: each field in its digest, one spelling as JSON, and no other kind taken for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.eip712 import recover
from tallystick.core.errors import InvalidInput
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode, assurance_domain, commitment

CONTRACT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
DOMAIN = assurance_domain(1, CONTRACT)
SECRET = b"\x07" * 32
PLAIN = AssuredAnswer(b"r" * 32, CONTRACT, b"m" * 32, b"i" * 32, (-3,), Mode.COMMITTEE, 10, 1_700_000_000, 4)

words = st.integers(-(2**255), 2**255 - 1)
answers = st.builds(
    AssuredAnswer,
    request_id=st.binary(min_size=32, max_size=32),
    consumer=st.just(CONTRACT),
    model_digest=st.binary(min_size=32, max_size=32),
    input_digest=st.binary(min_size=32, max_size=32),
    output=st.lists(words, min_size=1, max_size=3).map(tuple),
    mode=st.sampled_from([mode for mode in Mode if mode is not Mode.PROOF]),
    cost=st.integers(0, 2**256 - 1),
    deadline=st.integers(0, 2**53 - 1),
    nonce=st.integers(0, 2**256 - 1),
)


@given(answers)
def test_an_answer_has_one_spelling_in_json(answer):
    assert AssuredAnswer.from_dict(answer.to_dict()) == answer


def test_another_implementation_of_eip_712_computes_the_same_signature():
    fields = [
        ("requestId", "bytes32"), ("consumer", "address"), ("modelDigest", "bytes32"), ("inputDigest", "bytes32"),
        ("output", "bytes"), ("mode", "uint8"), ("cost", "uint256"), ("deadline", "uint64"), ("nonce", "uint256"),
    ]  # fmt: skip
    message = {
        "requestId": PLAIN.request_id, "consumer": CONTRACT, "modelDigest": PLAIN.model_digest,
        "inputDigest": PLAIN.input_digest, "output": (-3).to_bytes(32, "big", signed=True), "mode": 3, "cost": 10,
        "deadline": PLAIN.deadline, "nonce": 4,
    }  # fmt: skip
    signable = encode_typed_data(
        {"name": DOMAIN.name, "version": DOMAIN.version, "chainId": 1, "verifyingContract": CONTRACT},
        {"AssuredAnswer": [{"name": name, "type": kind} for name, kind in fields]},
        message,
    )
    assert EthAccount.sign_message(signable, SECRET).signature == PLAIN.signature(SECRET, DOMAIN)
    assert recover(PLAIN.digest(DOMAIN), PLAIN.signature(SECRET, DOMAIN)) == EthAccount.from_key(SECRET).address


def test_every_field_chain_and_contract_are_in_the_digest():
    others = [
        replace(PLAIN, request_id=b"s" * 32), replace(PLAIN, consumer="0x" + "11" * 20),
        replace(PLAIN, model_digest=b"s" * 32), replace(PLAIN, input_digest=b"s" * 32), replace(PLAIN, output=(3,)),
        replace(PLAIN, output=(-3, 0)), replace(PLAIN, mode=Mode.DIRECT), replace(PLAIN, cost=11),
        replace(PLAIN, deadline=1), replace(PLAIN, nonce=5),
    ]  # fmt: skip
    digests = {PLAIN.digest(DOMAIN), *(other.digest(DOMAIN) for other in others)}
    digests |= {PLAIN.digest(assurance_domain(2, CONTRACT)), PLAIN.digest(assurance_domain(1, "0x" + "11" * 20))}
    assert len(digests) == len(others) + 3


def test_a_commitment_names_its_maker_and_its_salt():
    digest, salt = PLAIN.digest(DOMAIN), b"s" * 32
    made = {commitment(digest, CONTRACT, salt), commitment(digest, "0x" + "11" * 20, salt)}
    assert len(made | {commitment(digest, CONTRACT, b"t" * 32)}) == 3
    with pytest.raises(InvalidInput):
        commitment(digest, CONTRACT, b"short")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"output": []}, None),
        ({"output": ["1.5"]}, "document.decimal"),
        ({"output": ["-0"]}, "document.decimal"),
        ({"output": [str(2**255)]}, "document.decimal"),
        ({"mode": 0}, "document.range"),
        ({"mode": 4}, "answer.mode"),
        ({"mode": 5}, "document.range"),
        ({"cost": 10}, "document.type"),
        ({"consumer": "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"}, "address.checksum"),
        ({"request_id": "00"}, "digest.hex"),
        ({"more": 1}, "document.unknown"),
    ],
)
def test_what_is_no_answer_is_refused_by_name(change, code):
    with pytest.raises(InvalidInput) as caught:
        AssuredAnswer.from_dict(PLAIN.to_dict() | change).digest(DOMAIN)
    assert caught.value.code == (code or "answer.output")
