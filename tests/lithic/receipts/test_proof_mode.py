"""Proof is an interface and nothing more: it compiles, and every contract and every reader refuses mode 4."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import tallystick.contracts as contracts
from tallystick.contracts import artifact, names
from tallystick.core.errors import InvalidInput
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode, assurance_domain
from tallystick.lithic.receipts.checking import CONTRACTS
from tallystick.lithic.receipts.direct import DirectEvidence
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tests.contracts.kernels import compiled

WHO = "0x" + "11" * 20
PROVED = AssuredAnswer(b"r" * 32, WHO, b"m" * 32, b"i" * 32, (1,), Mode.PROOF, 0, 0, 0)

# The least verifier that has the interface: it takes no proof.
VERIFIER = """
# pragma version 0.4.3
from tallystick.contracts.interfaces import IAnswerProof
implements: IAnswerProof

@view
@external
def check_proof(
    digest: bytes32, model_digest: bytes32, input_digest: bytes32, output: Bytes[8192], proof: Bytes[32768]
):
    assert False, "proof: not offered"

@view
@external
def proof_system() -> bytes4:
    return 0x00000000

@view
@external
def key_digest() -> bytes32:
    return empty(bytes32)

@view
@external
def model_digest() -> bytes32:
    return empty(bytes32)
"""


def test_a_verifier_can_be_written_against_the_interface() -> None:
    assert compiled(VERIFIER)


def test_no_contract_of_the_package_has_to_do_with_proofs_of_answers() -> None:
    for name in names():
        assert not any(path.endswith("IAnswerProof.vyi") for path in artifact(name).sources)
    assert "NOT OFFERED" in (Path(contracts.__file__).parent / "interfaces" / "IAnswerProof.vyi").read_text("utf-8")


def test_every_contract_that_keeps_answers_has_a_mode_of_its_own_and_none_is_4() -> None:
    """What each says to a receipt of mode 4 is in its own tests, among the fields that count."""
    keepers = {name for name in names() if "interfaces/IAssurance.vyi" in artifact(name).sources}
    assert keepers == set(CONTRACTS.values())
    assert set(CONTRACTS) == set(Mode) - {Mode.PROOF}
    tests = Path(__file__).parents[2] / "contracts"
    for name in ("test_direct.py", "test_optimistic_reading.py", "test_committee_reading.py"):
        text = (tests / name).read_text("utf-8")
        assert '"mode": Mode.PROOF' in text or '"mode": 4' in text


def test_no_reader_takes_an_answer_by_proof() -> None:
    receipt = AnswerReceipt(1, WHO, replace(PROVED, mode=Mode.DIRECT), DirectEvidence(WHO, True, b"x"))
    assert AnswerReceipt.from_bytes(receipt.to_bytes()) == receipt
    for read, given in (
        (AssuredAnswer.from_dict, PROVED.to_dict()),
        (AnswerReceipt.from_bytes, replace(receipt, answer=PROVED).to_bytes()),
    ):
        with pytest.raises(InvalidInput) as caught:
            read(given)  # type: ignore[operator]
        assert caught.value.code == "answer.mode"


def test_a_proof_of_one_answer_would_be_bound_to_its_request_contract_and_chain() -> None:
    digest = PROVED.digest(assurance_domain(1, WHO))
    others = {
        PROVED.digest(assurance_domain(2, WHO)),
        PROVED.digest(assurance_domain(1, "0x" + "22" * 20)),
        replace(PROVED, request_id=b"s" * 32).digest(assurance_domain(1, WHO)),
        replace(PROVED, mode=Mode.DIRECT).digest(assurance_domain(1, WHO)),
    }
    assert len(others | {digest}) == 5
