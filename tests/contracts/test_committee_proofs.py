"""Only proof takes from a bond: two signed answers, or one that the kernel contradicts; never distance or votes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vyper import compile_code

from tallystick.chain.bindings import committee as binding
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tests.contracts.committee_kit import BOND, FEE, INPUT, KERNEL, STAKE, Kit

DAY = 86_400


@pytest.fixture
def kit(ledger):
    return Kit(ledger)


@pytest.fixture
def kernel(ledger):
    return ledger.deploy(bytes.fromhex(compile_code(KERNEL, output_formats=["bytecode"])["bytecode"][2:]))


def teach(ledger, kernel, answer):
    data = keccak(b"set(int256)")[:4] + answer.to_bytes(32, "big", signed=True)
    ledger.send(Call(kernel, data), ledger.accounts[0])


def equivocation(kit, request, first, second):
    return kit.contract.prove_equivocation(
        request, first.provider, first.output, first.cost, first.signature,
        second.output, second.cost, second.signature,
    )  # fmt: skip


def test_two_signed_answers_to_one_request_cost_the_stake(ledger, kit, events, refused):
    reporter = ledger.accounts[6]
    alice, mallory = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, mallory]))
    one, two = kit.answer(request, mallory, 1), kit.answer(request, mallory, 2)
    with refused("proofs: nothing at stake"):  # it has not committed
        kit.send(equivocation(kit, request, one, two), reporter)
    kit.commit(request, one)
    mined = kit.send(equivocation(kit, request, one, two), reporter)
    assert events(mined, binding.EVENTS) == [binding.Slashed(request, mallory, 2, STAKE, reporter, STAKE // 2)]
    assert kit.contract.credit_of(reporter) == STAKE // 2
    assert kit.contract.provider_at(mallory).bond == BOND - STAKE
    with refused("proofs: already slashed"):
        kit.send(equivocation(kit, request, one, two), reporter)
    kit.commit(request, kit.answer(request, alice, 1))
    with refused("rounds: slashed"):  # and its answer does not count
        kit.reveal(request, one)


def test_one_answer_is_no_equivocation_however_it_is_shown(ledger, kit, refused):
    reporter = ledger.accounts[6]
    alice, bob = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([alice, bob]))
    other_request = kit.open(kit.terms([alice, bob]), nonce=1)
    one = kit.answer(request, alice, 1)
    elsewhere = kit.answer(other_request, alice, 2)
    forged = kit.answer(request, alice, 2, secret=kit.keys[bob])
    kit.commit(request, one)
    with refused("proofs: the same answer"):
        kit.send(equivocation(kit, request, one, one), reporter)
    for second in (elsewhere, forged, replace(forged, signature=b"")):
        with refused("proofs: not signed by its key"):
            kit.send(equivocation(kit, request, one, second), reporter)
        with refused("proofs: not signed by its key"):
            kit.send(equivocation(kit, request, second, one), reporter)
    with refused("proofs: nothing at stake"):
        kit.send(equivocation(kit, request, replace(one, provider=bob), elsewhere), reporter)


def test_the_same_output_at_two_costs_is_an_equivocation_too(ledger, kit):
    (mallory,) = kit.staff([BOND])
    request = kit.open(kit.terms([mallory]))
    one, two = kit.answer(request, mallory, 1, cost=1), kit.answer(request, mallory, 1, cost=2)
    kit.commit(request, one)
    kit.send(equivocation(kit, request, one, two), ledger.accounts[6])
    assert kit.contract.seat_of(request, mallory).slashed


def test_a_proof_reaches_a_bond_that_is_leaving_and_stops_before_it_is_gone(ledger, kit, refused):
    reporter = ledger.accounts[6]
    mallory, alice = kit.staff([STAKE, BOND])
    request = kit.open(kit.terms([mallory, alice]))
    one, two = kit.answer(request, mallory, 1), kit.answer(request, mallory, 2)
    kit.run(request, {mallory: 1, alice: 1})
    kit.send(kit.contract.announce_withdrawal(STAKE), mallory)
    until = kit.contract.request_at(request).reveal_until + 3 * DAY
    kit.wait_until(until - 24)
    with refused("providers: too early"):
        kit.send(kit.contract.withdraw_bond(), mallory)
    kit.send(equivocation(kit, request, one, two), reporter)
    assert kit.contract.provider_at(mallory).bond == 0
    kit.wait_until(kit.contract.provider_at(mallory).leaves_at)
    with refused("providers: nothing to withdraw"):
        kit.send(kit.contract.withdraw_bond(), mallory)


def test_a_proof_that_comes_too_late_is_refused(ledger, kit, refused):
    mallory, alice = kit.staff([BOND, BOND])
    request = kit.open(kit.terms([mallory, alice]))
    one, two = kit.answer(request, mallory, 1), kit.answer(request, mallory, 2)
    kit.run(request, {mallory: 1, alice: 1})
    kit.wait_until(kit.contract.request_at(request).reveal_until + 3 * DAY + 1)
    with refused("proofs: too late"):
        kit.send(equivocation(kit, request, one, two), ledger.accounts[6])


def judged(kit, kernel, outputs, **changes):
    """A request under a kernel, up to the reveals; return it and its members."""
    members = kit.staff([BOND] * len(outputs))
    for who in members:
        kit.offer(who, kernel=kernel)
    request = kit.open(kit.terms(members, kernel=kernel, **changes))
    answers = [kit.answer(request, who, output) for who, output in zip(members, outputs, strict=True)]
    for answered in answers:
        kit.commit(request, answered)
    for answered in answers:
        kit.reveal(request, answered)
    return request, members


def test_an_answer_that_the_kernel_contradicts_costs_the_stake_and_its_vote(ledger, kit, kernel, events, refused):
    reporter = ledger.accounts[6]
    teach(ledger, kernel, 1)
    request, (alice, bob, mallory) = judged(kit, kernel, (1, 1, 2), threshold=2)
    with refused("proofs: no contradiction"):
        kit.send(kit.contract.prove_contradiction(request, alice, INPUT), reporter)
    with refused("proofs: wrong input"):
        kit.send(kit.contract.prove_contradiction(request, mallory, INPUT + b"x"), reporter)
    mined = kit.send(kit.contract.prove_contradiction(request, mallory, INPUT), reporter)
    assert events(mined, binding.EVENTS) == [binding.Slashed(request, mallory, 3, STAKE, reporter, STAKE // 2)]
    kit.settle(request)
    assert kit.contract.request_at(request).output == 1
    assert [kit.contract.credit_of(who) for who in (alice, bob, mallory)] == [FEE, FEE, 0]
    assert all(kit.contract.provider_at(who).locked == 0 for who in (alice, bob, mallory))


def test_a_kernel_judges_the_output_that_was_asked_for(ledger, kit, kernel, refused):
    teach(ledger, kernel, 1)
    request, (alice,) = judged(kit, kernel, (7,), output_index=1)
    with refused("proofs: no contradiction"):
        kit.send(kit.contract.prove_contradiction(request, alice, INPUT), ledger.accounts[6])
    other = Kit(ledger)
    request, (alice,) = judged(other, kernel, (7,), output_index=2)
    with refused("proofs: kernel gives no answer"):  # it has two outputs
        other.send(other.contract.prove_contradiction(request, alice, INPUT), ledger.accounts[6])


def test_nothing_is_proved_without_a_kernel_an_answer_or_enough_gas(ledger, kit, kernel, refused):
    reporter = ledger.accounts[6]
    (alice,) = kit.staff([BOND])
    request = kit.open(kit.terms([alice]))
    with refused("proofs: nothing at stake"):
        kit.send(kit.contract.prove_contradiction(request, alice, INPUT), reporter)
    kit.commit(request, kit.answer(request, alice, 3))
    with refused("proofs: not revealed"):
        kit.send(kit.contract.prove_contradiction(request, alice, INPUT), reporter)
    kit.reveal(request, kit.answer(request, alice, 3))
    with refused("proofs: no kernel"):
        kit.send(kit.contract.prove_contradiction(request, alice, INPUT), reporter)
    for judge in (ledger.accounts[7], kit.contract.address):  # no code; code that is no kernel
        other = Kit(ledger)
        request, (alice,) = judged(other, judge, (3,))
        with refused("proofs: kernel gives no answer"):
            other.send(other.contract.prove_contradiction(request, alice, INPUT), reporter)


def test_a_judge_that_the_member_did_not_choose_cannot_be_named(ledger, kit, kernel, refused):
    (alice,) = kit.staff([BOND])
    with refused("requests: no such offer"):
        kit.open(kit.terms([alice], kernel=kernel))
    kit.offer(alice, kernel=kernel)
    kit.open(kit.terms([alice], kernel=kernel))
    kit.open(kit.terms([alice]), nonce=1)  # none is fine


def test_a_lock_outlives_a_bond_that_a_proof_emptied_without_holding_the_request_up(ledger, kit):
    mallory, alice = kit.staff([2 * STAKE, BOND])
    first = kit.open(kit.terms([mallory, alice], stake=2 * STAKE))
    one, two = kit.answer(first, mallory, 1), kit.answer(first, mallory, 2)
    kit.run(first, {mallory: 1, alice: 1})
    second = kit.open(kit.terms([mallory, alice], stake=2 * STAKE, threshold=1), nonce=1)
    kit.commit(second, kit.answer(second, mallory, 1))  # the same coins again
    kit.send(equivocation(kit, first, one, two), ledger.accounts[6])
    assert kit.contract.provider_at(mallory).bond == 0
    kit.wait_until(kit.contract.request_at(second).reveal_until + 1)
    kit.settle(second)  # the missed reveal finds nothing left to take
    assert kit.contract.request_at(second).state == 3
    assert kit.contract.provider_at(mallory) == replace(kit.contract.provider_at(mallory), bond=0, locked=0)
