"""Checks the receipt of an answer: the same steps whatever the mode, so far as each has them.

 1  the evidence is of the answer's mode
 2  the id is of this consumer, nonce, terms and input, on this chain and contract
 3  the input is the one that the answer names
 4  the model is the one that the answer names, and the terms name the contract that it compiles to
 5  the output is what the model says (direct, optimistic), or what stake decided by signed votes (committee)
 6  the cost is what the terms or the votes make it; a direct answer has no deadline

and, where there is a chain to ask:

 7  the chain has the receipt's id
 8  the contract has the code of this release
 9  the model's contracts have the code that the model compiles to
10  the contract answers the consumer with this output now: it is settled, and nobody showed it wrong

Steps 1 to 6 need no chain. They show that the output is right, not that the contract was ever asked: that is step 10.
A direct answer that was not kept is gone with its transaction; there the kernel on the chain is asked again. For a
committee the verifier brings the members' standings, or lets them be read from the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from tallystick.core.checks import Check, Report
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, Rejected, VerificationFailed
from tallystick.lithic.assurance.staged import StagedModel, compile_staged
from tallystick.lithic.committee import request as committee_request
from tallystick.lithic.committee.votes import CommitteeEvidence, Standing
from tallystick.lithic.integer import document
from tallystick.lithic.integer.model import Vector
from tallystick.lithic.integer.reference import predict, unpack
from tallystick.lithic.kernel import Kernel
from tallystick.lithic.receipts.answer import AssuredAnswer, Mode
from tallystick.lithic.receipts.direct import DirectEvidence
from tallystick.lithic.receipts.optimistic import OptimisticEvidence
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tallystick.lithic.receipts.request import request_id

if TYPE_CHECKING:
    from tallystick.chain.node import Node

CONTRACTS: Final = {
    Mode.DIRECT: "DirectModel",
    Mode.OPTIMISTIC: "OptimisticModel",
    Mode.COMMITTEE: "Committee",
}

Computed = DirectEvidence | OptimisticEvidence

_SAYS: Final = (Rejected, InvalidInput, VerificationFailed)  # what a chain says of a receipt; that it is silent is none


def check_receipt(
    receipt: AnswerReceipt,
    *,
    kernel: Kernel | None = None,
    standings: Mapping[str, Standing] | None = None,
    node: Node | None = None,
) -> Report:
    """Return what holds of a receipt.

    kernel     of the model, for a direct or an optimistic answer
    standings  of a committee's members when the request was opened; read from the node where there is one
    node       of the receipt's chain; without one, steps 1 to 6 are made
    raises     InvalidInput "receipt.kernel", "receipt.standings" when what the mode needs was not brought; Unavailable
    """
    return Report.of(_check(receipt, kernel, standings, node))


def _check(
    receipt: AnswerReceipt, kernel: Kernel | None, standings: Mapping[str, Standing] | None, node: Node | None
) -> Iterator[Check]:
    answer, evidence = receipt.answer, receipt.evidence
    # 1
    yield Check.equal("mode", evidence.mode.name.lower(), Mode(answer.mode).name.lower())
    # 2 to 6
    if isinstance(evidence, CommitteeEvidence):
        known: Mapping[str, Standing] = {}
        try:
            known = _standings(receipt, standings, node)
        except (Rejected, InvalidInput) as error:
            if error.code == "receipt.standings":
                raise
            yield Check.failed("standings", error)  # such as on another chain, which knows no such request
        yield from _check_decided(receipt, evidence, known)
        contracts: Kernel | StagedModel | None = None
    elif kernel is None:
        raise InvalidInput("receipt.kernel", f"a receipt of mode {answer.mode} is checked with the model's kernel")
    else:
        contracts = kernel if isinstance(evidence, DirectEvidence) else _staged(kernel)
        yield from _check_computed(receipt, evidence, contracts)
    # 7 to 10
    if node is not None:
        yield from _check_chain(receipt, contracts, node)


def _check_decided(
    receipt: AnswerReceipt, evidence: CommitteeEvidence, standings: Mapping[str, Standing]
) -> Iterator[Check]:
    answer, terms = receipt.answer, evidence.terms
    try:
        derived = committee_request.request_id(receipt.chain_id, receipt.contract, answer.consumer, answer.nonce, terms)
        yield Check.equal("request id", derived, answer.request_id)
    except InvalidInput as error:
        yield Check.failed("request id", error)
    yield Check.equal("input digest", terms.input_digest, answer.input_digest, "as the terms have it")
    yield Check.equal("model digest", terms.model_digest, answer.model_digest, "as the terms have it")
    yield from evidence.check(receipt.chain_id, receipt.contract, answer, standings)


def _check_computed(receipt: AnswerReceipt, evidence: Computed, contracts: Kernel | StagedModel) -> Iterator[Check]:
    answer, model = receipt.answer, contracts.model
    try:
        derived = request_id(
            receipt.chain_id, receipt.contract, answer.consumer, answer.nonce, evidence.terms, evidence.data
        )
        yield Check.equal("request id", derived, answer.request_id)
    except InvalidInput as error:
        yield Check.failed("request id", error)
    yield Check.equal("input digest", sha256(evidence.data), answer.input_digest, f"{len(evidence.data)} bytes")
    yield Check.equal("model digest", document.digest(model), answer.model_digest)
    yield Check.equal("model's contract", contracts.address, evidence.model, "where the model's code is on any chain")
    try:
        output = predict(model, unpack(model.input, evidence.data))
        yield Check.equal("output", output, answer.output, "computed again")
    except InvalidInput as error:
        yield Check.failed("output", error)
    yield Check.equal("cost", evidence.cost, answer.cost)
    if isinstance(evidence, DirectEvidence):
        yield Check.equal("deadline", 0, answer.deadline, "nothing can change a direct answer")


def _check_chain(receipt: AnswerReceipt, contracts: Kernel | StagedModel | None, node: Node) -> Iterator[Check]:
    from tallystick.chain.deploy import check_code, has_coin
    from tallystick.lithic.receipts.reading import read_answer

    answer, name = receipt.answer, CONTRACTS[receipt.evidence.mode]
    # 7
    yield Check.equal("chain", receipt.chain_id, node.chain_id)
    # 8
    try:
        check_code(node, name, receipt.contract, has_immutables=has_coin(name))
        yield Check("contract", True, f"{name} at {receipt.contract}")
    except _SAYS as error:
        yield Check.failed("contract", error)
    # 9
    if contracts is not None:
        yield from _check_codes(contracts, node)
    # 10
    if isinstance(receipt.evidence, DirectEvidence) and not receipt.evidence.is_kept:
        evidence, outputs = receipt.evidence, len(answer.output)
        yield _said("kernel's answer", answer, lambda: _asked_again(evidence, outputs, node))
    else:
        yield _said("settled answer", answer, lambda: read_answer(node, receipt.contract, answer))


def _said(name: str, answer: AssuredAnswer, ask: Callable[[], Vector]) -> Check:
    try:
        return Check.equal(name, answer.output, ask(), "what the chain says now")
    except _SAYS as error:
        return Check.failed(name, error)


def _check_codes(contracts: Kernel | StagedModel, node: Node) -> Iterator[Check]:
    if isinstance(contracts, StagedModel):
        yield from contracts.check(node).checks
        return
    for code in contracts.codes:
        yield Check.equal(code.name, code.code, node.code(code.address), f"at {code.address}")


def _asked_again(evidence: DirectEvidence, outputs: int, node: Node) -> Vector:
    from tallystick.lithic.contract import DeployedKernel

    return DeployedKernel(node, evidence.kernel).predict(evidence.data, outputs)


def _staged(kernel: Kernel) -> StagedModel:
    return compile_staged(kernel.model, registry=kernel.registry)


def _standings(
    receipt: AnswerReceipt, standings: Mapping[str, Standing] | None, node: Node | None
) -> Mapping[str, Standing]:
    from tallystick.chain.bindings.committee import Committee
    from tallystick.lithic.committee.receipt import read_standings

    if standings is not None:
        return standings
    if node is None:
        raise InvalidInput(
            "receipt.standings", "a committee's receipt is checked with its members' standings",
            hint="ask the chain, which knows them, or bring them: no committee's receipt is checked --offline",
        )  # fmt: skip
    return read_standings(Committee(node, receipt.contract), receipt.answer.request_id)
