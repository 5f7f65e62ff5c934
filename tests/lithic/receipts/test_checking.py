"""A receipt of a direct or an optimistic answer is rechecked, and what was changed in it is named; nothing else is.

A committee's receipts: tests/contracts/test_committee_receipt.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tallystick.contracts import artifact
from tallystick.core import canonical
from tallystick.core.errors import InvalidInput, Unavailable, VerificationFailed
from tallystick.lithic.kernel import compile_integer
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.checking import check_receipt
from tallystick.lithic.receipts.direct import DirectEvidence
from tallystick.lithic.receipts.optimistic import OptimisticEvidence
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tests.contracts import direct_kit, optimistic_kit
from tests.contracts.conftest import Ledger
from tests.lithic import kernel_models

STRANGER = "0x" + "11" * 20


@dataclass
class Made:
    """A settled answer's receipt, and what it is checked with."""

    ledger: Ledger
    receipt: AnswerReceipt
    kernel: Any

    def failures(self, receipt: AnswerReceipt, *, on_chain: bool = False) -> list[str]:
        node = self.ledger.node if on_chain else None
        return [check.name for check in check_receipt(receipt, kernel=self.kernel, node=node).failures]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    made = Ledger(tmp_path_factory.mktemp("receipts") / "chain.db")
    yield made
    made.node.close()


def direct(ledger: Ledger, *, is_kept: bool = True) -> Made:
    kit = direct_kit.Kit.on(ledger)
    x = kit.middle()
    ledger.send(kit.asking(x, 7, is_kept=is_kept), ledger.accounts[0])
    evidence = DirectEvidence(kit.kernel.address, is_kept, kit.data(x))
    answer = kit.answer(x, 7, is_kept=is_kept)
    return Made(ledger, AnswerReceipt(ledger.chain_id, kit.contract.address, answer, evidence), kit.kernel)


def optimistic(ledger: Ledger, *, is_final: bool = True) -> Made:
    kit = optimistic_kit.Kit.on(ledger)
    asked = kit.ask(nonce=7)
    right = kit.right(asked)
    kit.wait_until(kit.claim(asked, right).time + optimistic_kit.WINDOW)
    if is_final:
        ledger.send(kit.finalising(asked, right), ledger.accounts[4])
    terms = (optimistic_kit.FEE, optimistic_kit.BOND, optimistic_kit.WINDOW, optimistic_kit.PATIENCE)
    evidence = OptimisticEvidence(kit.staged.address, *terms, kit.data(kit.inputs[asked]))
    receipt = AnswerReceipt(ledger.chain_id, kit.contract.address, kit.receipt(asked, right), evidence)
    return Made(ledger, receipt, compile_integer(kit.staged.model))


@pytest.fixture(scope="module", params=[direct, optimistic])
def made(request: pytest.FixtureRequest, ledger: Ledger) -> Made:
    return request.param(ledger)


def changed(receipt: AnswerReceipt, **changes: Any) -> AnswerReceipt:
    return replace(receipt, answer=replace(receipt.answer, **changes))


def shown(receipt: AnswerReceipt, **changes: Any) -> AnswerReceipt:
    return replace(receipt, evidence=replace(receipt.evidence, **changes))


def test_a_receipt_holds_with_and_without_a_chain_and_has_one_spelling(made: Made) -> None:
    again = AnswerReceipt.from_bytes(made.receipt.to_bytes())
    assert again == made.receipt
    assert made.failures(again) == []
    assert made.failures(again, on_chain=True) == []


@pytest.mark.parametrize(
    ("forge", "failed"),
    [
        (lambda r: changed(r, request_id=b"x" * 32), ["request id"]),
        (lambda r: changed(r, consumer=STRANGER), ["request id"]),
        (lambda r: changed(r, nonce=8), ["request id"]),
        (lambda r: replace(r, chain_id=r.chain_id + 1), ["request id"]),
        (lambda r: replace(r, contract=STRANGER), ["request id"]),
        (lambda r: changed(r, input_digest=b"x" * 32), ["input digest"]),
        (lambda r: changed(r, model_digest=b"x" * 32), ["model digest"]),
        (lambda r: changed(r, output=(1 - r.answer.output[0], *r.answer.output[1:])), ["output"]),
        (lambda r: changed(r, output=r.answer.output[:-1]), ["output"]),
        (lambda r: changed(r, cost=r.answer.cost + 1), ["cost"]),
        (lambda r: changed(r, mode=Mode.COMMITTEE), ["mode"]),
        (lambda r: shown(r, data=r.evidence.data[:-1] + b"\x0b"), ["request id", "input digest", "output"]),
        (lambda r: shown(r, data=r.evidence.data[:-1]), ["request id", "input digest", "output"]),
        (lambda r: shown(r, data=b"\xff" * len(r.evidence.data)), ["request id", "input digest", "output"]),
    ],
)
def test_what_was_forged_is_named_and_the_contract_does_not_hold_it(made: Made, forge: Any, failed: list[str]) -> None:
    forged = forge(made.receipt)
    assert made.failures(forged) == failed
    unknown = set(made.failures(forged, on_chain=True)) - set(failed)
    assert bool(unknown) == (forged.evidence == made.receipt.evidence)  # which the contract does not hold


def test_terms_and_deadline_are_part_of_a_receipt(ledger: Ledger) -> None:
    told = optimistic(ledger)
    for change in ({"bond": 2}, {"window_s": 1}, {"patience_s": 1}):
        assert told.failures(shown(told.receipt, **change)) == ["request id"]
    assert told.failures(shown(told.receipt, fee=1)) == ["request id", "cost"]
    assert told.failures(shown(told.receipt, model=STRANGER)) == ["request id", "model's contract"]
    later = changed(told.receipt, deadline=told.receipt.answer.deadline + 1)
    assert told.failures(later) == []  # when the window ended is the chain's word alone
    assert told.failures(later, on_chain=True) == ["settled answer"]
    asked = direct(ledger)
    assert asked.failures(shown(asked.receipt, is_kept=False)) == ["request id"]
    assert asked.failures(shown(asked.receipt, kernel=STRANGER)) == ["request id", "model's contract"]
    assert asked.failures(changed(asked.receipt, deadline=1)) == ["deadline"]


def test_an_answer_that_is_not_final_is_right_and_not_settled(ledger: Ledger) -> None:
    told = optimistic(ledger, is_final=False)
    assert told.failures(told.receipt) == []
    (failure,) = check_receipt(told.receipt, kernel=told.kernel, node=ledger.node).failures
    assert (failure.name, failure.detail.partition(": ")[0]) == ("settled answer", "optimistic")
    assert "optimistic: not final" in failure.detail


def test_an_answer_that_was_not_kept_is_asked_of_the_kernel_again(ledger: Ledger) -> None:
    told = direct(ledger, is_kept=False)
    assert told.failures(told.receipt, on_chain=True) == []
    wrong = changed(told.receipt, output=told.receipt.answer.output[::-1])
    assert told.failures(wrong, on_chain=True) == ["output", "kernel's answer"]
    other = ledger.deploy(artifact("DirectModel").bytecode)
    kept_nowhere = replace(direct(ledger).receipt, contract=other)
    assert told.failures(kept_nowhere, on_chain=True) == ["request id", "settled answer"]


def test_a_chain_that_is_silent_says_nothing_against_a_receipt(made: Made) -> None:
    class Silent:
        """A node that knows its chain, and answers nothing more."""

        chain_id = made.receipt.chain_id

        def __getattr__(self, name: str) -> Any:
            def refuse(*_: Any, **__: Any) -> Any:
                raise Unavailable("chain.timeout", "no answer")

            return refuse

    with pytest.raises(Unavailable):
        check_receipt(made.receipt, kernel=made.kernel, node=Silent())  # type: ignore[arg-type]


def test_a_receipt_of_another_chain_contract_or_model_is_seen(made: Made, tmp_path: Any) -> None:
    other = Ledger(tmp_path / "other.db", made.ledger.chain_id + 1)
    try:
        report = check_receipt(made.receipt, kernel=made.kernel, node=other.node)
        assert {"chain", "contract", "settled answer"} <= {check.name for check in report.failures}
    finally:
        other.node.close()
    impostor = made.ledger.deploy(artifact("KernelDirectory").bytecode)
    assert {"contract", "settled answer"} <= set(made.failures(replace(made.receipt, contract=impostor), on_chain=True))
    trees = compile_integer(kernel_models.trees())
    names = [check.name for check in check_receipt(made.receipt, kernel=trees).failures]
    assert names == ["model digest", "model's contract", "output"]


def test_without_the_model_nothing_is_said(made: Made) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_receipt(made.receipt)
    assert caught.value.code == "receipt.kernel"
    with pytest.raises(VerificationFailed):
        check_receipt(changed(made.receipt, nonce=8), kernel=made.kernel).require()


def test_bytes_that_are_no_receipt_are_refused_calmly(made: Made) -> None:
    good = made.receipt.to_bytes()
    value = canonical.decode(good, "receipt")
    assert isinstance(value, dict)
    for change in ({"kind": "tallystick/answer-receipt/v2"}, {"evidence": {}}, {"chain_id": 1}, {"more": 1}):
        with pytest.raises(InvalidInput):
            AnswerReceipt.from_bytes(canonical.encode(value | change))
    for bad in (b"", b"{}", good[:-1], good + b" "):
        with pytest.raises(InvalidInput):
            AnswerReceipt.from_bytes(bad)


def test_the_evidence_of_one_mode_is_none_of_another(made: Made) -> None:
    others = {Mode.DIRECT: Mode.OPTIMISTIC, Mode.OPTIMISTIC: Mode.DIRECT}
    answer: AssuredAnswer = made.receipt.answer
    with pytest.raises(InvalidInput):
        AnswerReceipt.from_bytes(changed(made.receipt, mode=others[answer.mode]).to_bytes())
