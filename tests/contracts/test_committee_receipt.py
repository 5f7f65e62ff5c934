"""The receipt of a settled answer is rechecked without a chain, and every part of it matters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.core.errors import InvalidInput, TallystickError, VerificationFailed
from tallystick.lithic.committee.decision import OutputKind
from tallystick.lithic.committee.receipt import CommitteeReceipt, Standing, build_receipt, read_standings
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
    assert receipt.verify(standings) == -3
    assert receipt.answer.cost == 3 * FEE
    again = CommitteeReceipt.from_bytes(receipt.to_bytes())
    assert again == receipt
    assert again.verify(standings) == -3


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
        assert len(receipt.votes) == (2 if strike_first else 3)
        assert receipt.verify(read_standings(kit.contract, request)) == 1


STRANGER = "0x" + "11" * 20


def changed(receipt, **changes):
    return replace(receipt, answer=replace(receipt.answer, **changes))


@pytest.mark.parametrize(
    ("forge", "code"),
    [
        (lambda r: changed(r, request_id=b"x" * 32), "committee.request"),
        (lambda r: changed(r, nonce=9), "committee.request"),
        (lambda r: changed(r, consumer="0x" + "11" * 20), "committee.request"),
        (lambda r: changed(r, input_digest=b"x" * 32), "committee.request"),
        (lambda r: changed(r, model_digest=b"x" * 32), "committee.request"),
        (lambda r: changed(r, mode=1), "committee.request"),
        (lambda r: replace(r, chain_id=r.chain_id + 1), "committee.request"),
        (lambda r: replace(r, contract="0x" + "11" * 20), "committee.request"),
        (lambda r: replace(r, terms=replace(r.terms, threshold=1)), "committee.request"),
        (lambda r: changed(r, deadline=1), "committee.vote"),
        (lambda r: changed(r, output=(90,)), "committee.decision"),
        (lambda r: changed(r, output=(-3, 0)), "committee.decision"),
        (lambda r: changed(r, cost=4 * FEE), "committee.cost"),
        (lambda r: replace(r, votes=r.votes[:2]), "committee.decision"),
        (lambda r: replace(r, votes=(*r.votes, r.votes[0])), "committee.vote"),
        (lambda r: replace(r, votes=(replace(r.votes[0], output=-3), *r.votes[1:])), "committee.vote"),
        (lambda r: replace(r, votes=(replace(r.votes[0], cost=1), *r.votes[1:])), "committee.vote"),
        (lambda r: replace(r, votes=(replace(r.votes[0], cost=FEE + 1), *r.votes[1:])), "committee.vote"),
        (lambda r: replace(r, votes=(replace(r.votes[0], output=101), *r.votes[1:])), "committee.vote"),
        (
            lambda r: replace(r, votes=(replace(r.votes[0], provider="0x" + "11" * 20), *r.votes[1:])),
            "committee.member",
        ),
        (lambda r: replace(r, votes=(replace(r.votes[0], signature=b""), *r.votes[1:])), "eip712.signature"),
    ],
)
def test_a_forged_receipt_is_refused_by_name(settled, forge, code):
    receipt, standings = settled
    with pytest.raises(VerificationFailed) as caught:
        forge(receipt).verify(standings)
    assert caught.value.code == code


def test_the_standings_must_be_of_all_members(settled):
    receipt, standings = settled
    absent = receipt.terms.members[4]
    few = {member: standing for member, standing in standings.items() if member != absent}
    with pytest.raises(VerificationFailed) as caught:
        receipt.verify(few)
    assert caught.value.code == "committee.member"
    heavy = standings | {absent: Standing("0x" + "00" * 20, 100 * BOND)}  # had it been there, it would have decided
    with pytest.raises(VerificationFailed) as caught:
        receipt.verify(heavy)
    assert caught.value.code == "committee.decision"


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
            CommitteeReceipt.from_bytes(bad)
        assert isinstance(caught.value, InvalidInput)
