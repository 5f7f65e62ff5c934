"""The receipt of a settled answer is rechecked without a chain, and every part of it matters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.receipt import build_receipt, read_standings
from tallystick.lithic.committee.votes import Standing
from tallystick.lithic.receipts.answer import Mode
from tallystick.lithic.receipts.checking import check_receipt
from tallystick.lithic.receipts.receipt import AnswerReceipt
from tests.contracts.committee_kit import BOND, FEE, Kit


@pytest.fixture
def kit(ledger):
    return Kit(ledger)


def receipt_of(kit, request):
    logs = kit.ledger.node.logs(kit.contract.address, [None, request], from_block=0)
    return build_receipt(kit.contract, kit.ledger.chain_id, request, logs)


@pytest.fixture
def settled(kit):
    """Five members, one of them absent; a number with one outlier."""
    members = kit.staff([BOND, BOND, 2 * BOND, BOND, BOND])
    terms = kit.terms(members, kind=int(OutputKind.NUMBER), low=-100, high=100, threshold=3, tolerance=2)
    request = kit.open(terms)
    kit.run(request, dict(zip(members[:4], (-5, -4, -3, 90), strict=True)))
    return receipt_of(kit, request), read_standings(kit.contract, request)


def test_a_receipt_made_of_events_verifies_without_a_chain_and_has_one_spelling(settled):
    receipt, standings = settled
    assert check_receipt(receipt, standings=standings).ok
    assert (receipt.answer.output, receipt.answer.cost) == ((-3,), 3 * FEE)
    assert AnswerReceipt.from_bytes(receipt.to_bytes()) == receipt


def test_a_receipt_of_what_is_not_settled_is_refused(kit, refused):
    (alice,) = kit.staff([BOND])
    request = kit.open(kit.terms([alice]))
    with refused("answers: not fulfilled"):
        receipt_of(kit, request)


def test_a_vote_that_a_proof_struck_before_settling_is_not_in_the_receipt_and_one_after_is(kit):
    members = kit.staff([BOND] * 3)
    for strike_first in (True, False):
        request = kit.open(kit.terms(members, threshold=2), nonce=int(strike_first))
        answers = [kit.answer(request, who, 1) for who in members]
        other = kit.answer(request, members[0], 2)
        one = answers[0]
        proof = kit.contract.prove_equivocation(
            request, one.provider, one.output, one.cost, one.signature, other.output, other.cost, other.signature
        )
        for answered in answers:
            kit.commit(request, answered)
        for answered in answers:
            kit.reveal(request, answered)
        if strike_first:
            kit.send(proof, kit.ledger.accounts[6])
            kit.wait_until(kit.contract.request_at(request).reveal_until + 1)
        kit.settle(request)
        if not strike_first:
            kit.send(proof, kit.ledger.accounts[6])
        receipt = receipt_of(kit, request)
        assert len(receipt.evidence.votes) == (2 if strike_first else 3)
        assert check_receipt(receipt, standings=read_standings(kit.contract, request)).ok
        assert receipt.answer.output == (1,)


STRANGER = "0x" + "11" * 20


VOTES = ("vote",) * 4


def changed(receipt, **changes):
    return replace(receipt, answer=replace(receipt.answer, **changes))


def shown(receipt, **changes):
    return replace(receipt, evidence=replace(receipt.evidence, **changes))


def voted(receipt, **changes):
    first, *others = receipt.evidence.votes
    return shown(receipt, votes=(replace(first, **changes), *others))


def failures(report):
    """The names of what failed, without those of members."""
    return [check.name.partition(" of ")[0] for check in report.failures]


@pytest.mark.parametrize(
    ("forge", "failed"),
    [
        (lambda r: changed(r, request_id=b"x" * 32), ["request id", *VOTES]),
        (lambda r: changed(r, nonce=9), ["request id", *VOTES]),
        (lambda r: changed(r, consumer=STRANGER), ["request id", *VOTES]),
        (lambda r: changed(r, input_digest=b"x" * 32), ["input digest", *VOTES]),
        (lambda r: changed(r, model_digest=b"x" * 32), ["model digest", *VOTES]),
        (lambda r: changed(r, mode=Mode.DIRECT), ["mode", *VOTES]),
        (lambda r: replace(r, chain_id=r.chain_id + 1), ["request id", *VOTES]),
        (lambda r: replace(r, contract=STRANGER), ["request id", *VOTES]),
        (lambda r: shown(r, terms=replace(r.evidence.terms, threshold=1)), ["request id"]),
        (lambda r: changed(r, deadline=1), [*VOTES]),
        (lambda r: changed(r, output=(90,)), ["output"]),
        (lambda r: changed(r, output=(-3, 0)), ["output"]),
        (lambda r: changed(r, cost=4 * FEE), ["cost"]),
        (lambda r: shown(r, votes=r.evidence.votes[:2]), ["output"]),
        (lambda r: shown(r, votes=(*r.evidence.votes, r.evidence.votes[0])), ["votes", "output", "cost"]),
        (lambda r: voted(r, output=-2), ["vote"]),
        (lambda r: voted(r, cost=1), ["vote", "cost"]),
        (lambda r: voted(r, cost=FEE + 1), ["vote", "cost"]),
        (lambda r: voted(r, output=101), ["vote", "cost"]),
        (lambda r: voted(r, provider=STRANGER), ["vote"]),
        (lambda r: voted(r, signature=b""), ["vote"]),
    ],
)
def test_a_forged_receipt_fails_where_it_was_forged(settled, forge, failed):
    receipt, standings = settled
    assert failures(check_receipt(forge(receipt), standings=standings)) == failed


def test_the_standings_must_be_of_all_members(settled):
    receipt, standings = settled
    absent = receipt.evidence.terms.members[4]
    few = {member: standing for member, standing in standings.items() if member != absent}
    assert failures(check_receipt(receipt, standings=few)) == ["members"]
    heavy = standings | {absent: Standing("0x" + "00" * 20, 100 * BOND)}  # had it been there, it would have decided
    assert failures(check_receipt(receipt, standings=heavy)) == ["output"]
    with pytest.raises(InvalidInput) as caught:
        check_receipt(receipt)
    assert caught.value.code == "receipt.standings"


def test_the_chain_says_whether_it_was_settled_so(kit, settled):
    receipt, _ = settled
    assert check_receipt(receipt, node=kit.ledger.node).ok
    for forged in (changed(receipt, deadline=1), replace(receipt, contract=Kit(kit.ledger).contract.address)):
        report = check_receipt(forged, standings=settled[1], node=kit.ledger.node)
        assert "settled answer" in [check.name for check in report.failures]


def test_bytes_that_are_no_receipt_are_refused_calmly(settled):
    receipt, _ = settled
    data = receipt.to_bytes()
    for bad in (
        b"",
        b"{}",
        data[:-1],
        data + b" ",
        data.replace(b"-3", b"-0"),
        data.replace(b"receipt/v1", b"receipt/v2"),
    ):
        with pytest.raises(TallystickError) as caught:
            AnswerReceipt.from_bytes(bad)
        assert isinstance(caught.value, InvalidInput)
