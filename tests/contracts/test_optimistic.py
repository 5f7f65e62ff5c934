"""Optimistic answers: each rule once kept and once broken, and every lie felled at the stage where it begins."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from tallystick.chain.bindings import optimistic_model as binding
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak, sha256
from tallystick.core.errors import Rejected
from tallystick.lithic.assurance.optimistic import State
from tallystick.lithic.assurance.staged import STAGES
from tallystick.lithic.assurance.trace import words
from tallystick.lithic.contract import DIGEST, REGISTRY
from tallystick.lithic.evm.assembler import Assembler, initcode
from tallystick.lithic.evm.interface import Refusals, emit_views
from tallystick.lithic.integer import document
from tests.contracts.optimistic_kit import BOND, FEE, PATIENCE, WINDOW, Kit

NOBODY = "0x" + "00" * 20
TERMS = {"fee": FEE, "bond": BOND, "window": WINDOW, "patience": PATIENCE}


@pytest.fixture
def kit(ledger):
    return Kit.on(ledger)


@pytest.fixture
def asked(kit):
    """A request that waits for a claim."""
    return kit.ask()


def listing(*stages):
    """Return the code of a table that lists these stages."""
    asm = Assembler()
    refusals = Refusals(*map(asm.new_label, ("malformed", "range", "part")))
    listed = [32, len(stages), *(int(stage, 16) for stage in stages)]
    emit_views(asm, {STAGES: listed, DIGEST: [1], REGISTRY: [0, 0]}, refusals)
    return asm.assemble()


def answering(size, byte=0):
    """Return code that returns `size` bytes of memory, all zero but the first."""
    return bytes.fromhex(f"60{byte:02x}5f5362{size:06x}5ff3")


def put(ledger, code):
    return ledger.deploy(initcode(code))


# --- asking


def test_a_request_leaves_its_terms_and_its_input_on_the_chain_under_the_id_that_they_have(ledger, kit, events):
    alice, x = ledger.accounts[0], kit.middle()
    mined = ledger.send(kit.asking(x, nonce=7), alice)
    request_id, data = kit.id_of(x, nonce=7), kit.data(x)
    asked = binding.Asked(
        request_id, alice, 7, document.digest(kit.staged.model), sha256(data), keccak(words(x)), kit.stages_hash(),
        len(kit.stages) - 1, FEE, BOND, WINDOW, PATIENCE,
    )  # fmt: skip
    assert events(mined, binding.EVENTS) == [binding.Requested(request_id, alice, kit.staged.address, asked, data)]
    expected = binding.Request(State.OPEN, mined.time + PATIENCE, NOBODY)
    assert kit.contract.request_of(request_id) == expected


def test_an_id_is_of_one_consumer_nonce_set_of_terms_and_input_and_is_used_once(ledger, kit, refused):
    x = kit.middle()
    ids = {kit.ask(nonce=1), kit.ask(nonce=2), kit.ask(nonce=1, who=3), kit.ask(kit.middle(1), nonce=1)}
    ids |= {kit.ask(nonce=1, **{term: value + 1}) for term, value in TERMS.items()}
    assert len(ids) == 4 + len(TERMS)
    with refused("optimistic: already asked"):
        ledger.send(kit.asking(x, nonce=1), ledger.accounts[0])
    kit.wait_until(ledger.time + PATIENCE)
    first = kit.id_of(x, nonce=1)
    ledger.send(kit.giving_back(first), ledger.accounts[0])
    with refused("optimistic: already asked"):  # nor again when it is over
        ledger.send(kit.asking(x, nonce=1), ledger.accounts[0])
    other = Kit.on(ledger)  # the same words to another contract
    assert other.ask(x, nonce=1) not in ids


def test_a_request_is_paid_with_its_fee(ledger, kit, refused):
    for value in (0, FEE - 1, FEE + 1):
        with refused("coins: wrong value"):
            ledger.send(kit.asking(kit.middle(), value=value), ledger.accounts[0])


def test_terms_of_another_form_are_refused(ledger, kit):
    for terms in (b"", kit.terms()[:-1], kit.terms() + bytes(32), kit.terms()[:-32] + b"\xff" * 32):
        call = kit.contract.ask(1, terms, kit.data(kit.middle()), value=FEE)
        with pytest.raises(Rejected):
            ledger.send(call, ledger.accounts[0])


def test_terms_that_would_make_a_request_worthless_are_refused(ledger, kit, refused):
    for reason, terms in {
        "optimistic: no bond": {"bond": 1},
        "optimistic: no window": {"window": 0},
        "optimistic: no patience": {"patience": 0},
    }.items():
        with refused(reason):
            ledger.send(kit.asking(kit.middle(), **terms), ledger.accounts[0])


def test_what_is_no_input_of_the_model_is_refused_at_once(ledger, kit, refused):
    good = kit.data(kit.middle())
    for data in (b"", good[:-1], good + b"\0", b"\xff" * len(good)):
        with refused("optimistic: not an input"):
            ledger.send(kit.asking(data), ledger.accounts[0])


def test_a_model_without_stages_is_refused(ledger, kit, refused):
    for table in (listing(), listing(kit.stages[0])):
        with refused("optimistic: no stages"):
            ledger.send(kit.asking(kit.middle(), model=put(ledger, table)), ledger.accounts[0])


def test_an_unknown_request_is_told(kit, refused):
    asked = kit.ask()
    right = kit.right(asked)
    kit.asked[asked] = replace(kit.asked[asked], request_id=b"x" * 32)
    for call in (
        kit.claiming(asked, right),
        kit.refuting(asked, right, 0),
        kit.finalising(asked, right),
        kit.giving_back(asked),
    ):
        with refused("optimistic: unknown request"):
            kit.ledger.send(call, kit.ledger.accounts[0])
    with refused("optimistic: unknown request"):
        kit.contract.request_of(b"x" * 32)
    assert not kit.is_final(asked, right)


@pytest.mark.parametrize("changed", [one.name for one in fields(binding.Asked) if one.name != "request_id"])
def test_whoever_acts_shows_the_request_as_it_was_asked(ledger, kit, asked, refused, changed):
    right, true = kit.right(asked), kit.asked[asked]
    value = getattr(true, changed)
    forged = {int: lambda: value + 1, bytes: lambda: b"x" * 32, str: lambda: ledger.accounts[5]}[type(value)]()
    kit.asked[asked] = replace(true, **{changed: forged})
    for call in (kit.claiming(asked, right), kit.giving_back(asked)):
        with refused("optimistic: other request"):
            ledger.send(call, ledger.accounts[1])
    kit.asked[asked] = true
    kit.claim(asked, right)
    kit.asked[asked] = replace(true, **{changed: forged})
    for call in (kit.refuting(asked, right, 0), kit.finalising(asked, right)):
        with refused("optimistic: other claim"):
            ledger.send(call, ledger.accounts[1])


# --- claims


def test_a_claim_that_nobody_refutes_is_final_and_is_paid(ledger, kit, asked, events, refused):
    alice, bob = ledger.accounts[:2]
    right = kit.right(asked)
    mined = kit.claim(asked, right)
    deadline = mined.time + WINDOW
    expected = binding.Claimed(asked, bob, right.hashes, right.answer, deadline)
    assert events(mined, binding.EVENTS) == [expected]
    with refused("optimistic: not final"):
        kit.read(kit.receipt(asked, right))
    with refused("optimistic: too early"):
        ledger.send(kit.finalising(asked, right), alice)
    kit.wait_until(deadline)
    with refused("optimistic: not final"):  # not by time alone
        kit.read(kit.receipt(asked, right))
    final = ledger.send(kit.finalising(asked, right), ledger.accounts[4])
    answer = keccak(words(right.answer))
    assert events(final, binding.EVENTS) == [binding.Finalised(asked, bob, answer)]
    assert kit.contract.request_of(asked) == binding.Request(State.FINAL, deadline, bob)
    assert kit.read(kit.receipt(asked, right)) == right.answer
    assert kit.contract.owed(bob) == FEE + BOND
    collected = ledger.send(kit.contract.collect(), bob)
    assert events(collected, binding.EVENTS) == [binding.Collected(bob, FEE + BOND)]
    assert ledger.node.balance(kit.contract.address) == 0
    with refused("optimistic: nothing owed"):
        ledger.send(kit.contract.collect(), bob)
    for call in (kit.finalising(asked, right), kit.giving_back(asked)):
        with refused("optimistic: closed"):
            ledger.send(call, alice)


def test_a_claim_takes_the_bond_the_hashes_and_their_answer(ledger, kit, asked, refused):
    right = kit.right(asked)
    for value in (0, BOND - 1, BOND + 1):
        with refused("coins: wrong value"):
            kit.claim(asked, right, value=value)
    for hashes in (right.hashes[:-1], (*right.hashes, right.hashes[-1])):
        call = kit.contract.claim(kit.asked[asked], hashes, right.answer, value=BOND)
        with refused("optimistic: wrong number"):
            ledger.send(call, ledger.accounts[1])
    call = kit.contract.claim(kit.asked[asked], right.hashes, right.answer[::-1], value=BOND)
    with refused("optimistic: not the answer"):
        ledger.send(call, ledger.accounts[1])


def test_one_claim_stands_at_a_time(kit, asked, refused):
    kit.claim(asked, kit.right(asked))
    with refused("optimistic: already claimed"):
        kit.claim(asked, kit.right(asked), who=3)


def test_nobody_claims_when_patience_is_over_and_the_fee_goes_back(ledger, kit, asked, events, refused):
    alice, carol = ledger.accounts[0], ledger.accounts[2]
    with refused("optimistic: too early"):
        ledger.send(kit.giving_back(asked), alice)
    kit.wait_until(ledger.time + PATIENCE)
    with refused("optimistic: too late"):
        kit.claim(asked, kit.right(asked))
    mined = ledger.send(kit.giving_back(asked), carol)
    assert events(mined, binding.EVENTS) == [binding.GivenBack(asked, alice)]
    assert (kit.contract.owed(alice), kit.contract.request_of(asked).state) == (FEE, State.GIVEN_BACK)
    assert not kit.is_final(asked, kit.right(asked))
    with refused("optimistic: closed"):
        kit.claim(asked, kit.right(asked))


def test_the_fee_does_not_go_back_while_a_claim_stands(ledger, kit, asked, refused):
    kit.claim(asked, kit.right(asked))
    kit.wait_until(ledger.time + WINDOW)
    with refused("optimistic: already claimed"):
        ledger.send(kit.giving_back(asked), ledger.accounts[0])


# --- refutations


@pytest.mark.parametrize("consistent", [True, False])
def test_a_lie_falls_at_the_stage_where_it_begins(ledger, kit, events, consistent):
    bob, carol = ledger.accounts[1:3]
    for stage in range(len(kit.stages) - 1):
        request_id = kit.ask()
        told = kit.lie(request_id, stage, consistent=consistent)
        kit.claim(request_id, told)
        before = kit.contract.owed(carol), kit.contract.burned()
        mined = kit.refute(request_id, told, stage)
        expected = binding.Refuted(request_id, bob, carol, stage, BOND // 2)
        assert events(mined, binding.EVENTS) == [expected]
        assert (kit.contract.owed(carol), kit.contract.burned()) == (before[0] + BOND // 2, before[1] + BOND // 2)
        request = kit.contract.request_of(request_id)
        assert request == binding.Request(State.OPEN, mined.time + PATIENCE, NOBODY)
        kit.claim(request_id, kit.right(request_id), who=3)  # the request is open again


def test_a_true_claim_cannot_be_refuted_at_any_stage(kit, asked, refused):
    right = kit.right(asked)
    kit.claim(asked, right)
    for stage in range(len(kit.stages) - 1):
        with refused("optimistic: no fault"):
            kit.refute(asked, right, stage)
        other = words((right.vectors[stage][0] + 1, *right.vectors[stage][1:]))
        for vector in (other, b"", words(right.vectors[stage])[:-1]):
            with refused("optimistic: other vector"):
                kit.refute(asked, right, stage, vector=vector)
    with refused("optimistic: wrong number"):
        kit.refute(asked, right, len(kit.stages) - 1, vector=words(right.answer))


def test_a_refutation_uses_the_stages_and_hashes_of_the_claim(ledger, kit, asked, refused):
    told = kit.lie(asked, 1)
    with refused("optimistic: no claim"):
        kit.refute(asked, told, 1)
    kit.claim(asked, told)
    for stages in ([], kit.stages[:-1], [kit.stages[0], put(ledger, answering(32)), *kit.stages[2:]]):
        with refused("optimistic: other stages"):
            kit.refute(asked, told, 1, stages=stages)
    for hashes in ([], kit.right(asked).hashes, told.hashes[:-1]):
        with refused("optimistic: other claim"):
            kit.refute(asked, told, 1, hashes=hashes)
    kit.refute(asked, told, 1)


def test_a_lie_is_not_refuted_after_the_window_nor_final_before(ledger, kit, asked, refused):
    told = kit.lie(asked, 0)
    deadline = kit.claim(asked, told).time + WINDOW
    kit.wait_until(deadline)
    with refused("optimistic: too late"):
        kit.refute(asked, told, 0)
    ledger.send(kit.finalising(asked, told), ledger.accounts[1])  # nobody watched
    with refused("optimistic: closed"):
        kit.refute(asked, told, 0)


def test_a_liar_who_refutes_itself_loses_half_and_ends_nothing(ledger, kit, asked):
    bob = ledger.accounts[1]
    told = kit.lie(asked, 2)
    kit.claim(asked, told)
    kit.refute(asked, told, 2, who=1)
    assert kit.contract.owed(bob) == BOND // 2
    assert not kit.is_final(asked, told)
    right = kit.right(asked)
    deadline = kit.claim(asked, right, who=3).time + WINDOW
    kit.wait_until(deadline)
    ledger.send(kit.finalising(asked, right), bob)
    assert kit.is_final(asked, right)


def test_no_amount_of_gas_fells_a_true_claim(ledger, kit, asked):
    right = kit.right(asked)
    kit.claim(asked, right)
    call = kit.refuting(asked, right, 0)
    told = {"to": call.to, "data": "0x" + call.data.hex(), "from": ledger.accounts[2]}
    reasons = set()
    for gas in [*range(60_000, 160_000, 1_000), 1_000_000]:
        with pytest.raises(Rejected) as caught:
            ledger.node.request("eth_call", [told | {"gas": hex(gas)}, "latest"], lambda answer, _: answer)
        reasons.add(caught.value.code)
    assert reasons == {"chain.vm_error", "optimistic: no fault"}


def test_a_stage_that_fails_shows_nothing_and_a_bomb_is_refused(ledger, kit, refused):
    unpacks, fails, bomb = (
        put(ledger, code) for code in (answering(64, 5), bytes.fromhex("5f5ffd"), answering(40_000))
    )
    for stage, reason in ((fails, "optimistic: stage failed"), (bomb, "optimistic: too wide")):
        table = put(ledger, listing(unpacks, stage))
        asked, answer = kit.asked[kit.ask(b"\x01", model=table)], (7,)
        hashes = [keccak(words(answer))]
        ledger.send(kit.contract.claim(asked, hashes, answer, value=BOND), ledger.accounts[1])
        vector = (5 << 248).to_bytes(32) + bytes(32)
        with refused(reason):
            ledger.send(kit.contract.refute(asked, [unpacks, stage], hashes, 0, vector), ledger.accounts[2])
    with refused("optimistic: too wide"):
        ledger.send(kit.asking(b"\x01", model=put(ledger, listing(bomb, fails))), ledger.accounts[0])


def test_a_contract_that_takes_no_coins_keeps_what_it_is_owed(ledger, kit, refused):
    """Its request is over all the same, and nobody else waits for it."""
    data = kit.asking(kit.middle()).data
    # Passes its calldata on with its coins; refuses every coin that comes without calldata.
    proxy = "36600857" + "5f5ffd" + "00" + "5b" + "365f5f375f5f365f3473" + kit.contract.address[2:] + "5af1" + "00"
    agent = put(ledger, bytes.fromhex(proxy))
    request_id = kit.keep(kit.middle(), ledger.send(Call(agent, data, FEE), ledger.accounts[0]))
    kit.wait_until(ledger.time + PATIENCE)
    ledger.send(kit.giving_back(request_id), ledger.accounts[3])
    assert kit.contract.owed(agent) == FEE
    with pytest.raises(Rejected) as caught:
        ledger.call(kit.contract.address, kit.contract.collect().data, sender=agent)
    assert caught.value.code == "coins: transfer refused"


def test_a_claimant_can_compare_every_stage_before_it_puts_up_a_bond(kit):
    report = kit.staged.check(kit.ledger.node)
    assert report.ok
    assert report.total == len(kit.stages) + 1
    other = Kit.on(kit.ledger, replace(kit.staged.model, name="other"))
    swapped = replace(kit.staged, table=other.staged.table[:-1])
    assert [check.name for check in swapped.check(kit.ledger.node).failures] == ["table"]
