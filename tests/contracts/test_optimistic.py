"""Optimistic answers: each rule once kept and once broken, and every lie felled at the stage where it begins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tallystick.chain.bindings import optimistic_model as binding
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tallystick.core.errors import Rejected
from tallystick.lithic.assurance.staged import STAGES
from tallystick.lithic.assurance.trace import words
from tallystick.lithic.evm.assembler import Assembler, initcode
from tallystick.lithic.evm.interface import Refusals, emit_views
from tests.contracts.kernels import compiled, selector
from tests.contracts.optimistic_kit import BOND, FEE, PATIENCE, WINDOW, Kit

NOBODY = "0x" + "00" * 20


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
    emit_views(asm, {STAGES: [32, len(stages), *(int(stage, 16) for stage in stages)]}, refusals)
    return asm.assemble()


def answering(size, byte=0):
    """Return code that returns `size` bytes of memory, all zero but the first."""
    return bytes.fromhex(f"60{byte:02x}5f5362{size:06x}5ff3")


def put(ledger, code):
    return ledger.deploy(initcode(code))


# Ten lines of a contract that acts only on what is final, for the applicant who asked, by the one model that it names.
LENDER = """
# pragma version 0.4.3
from tallystick.contracts.interfaces import IOptimisticModel
optimistic: IOptimisticModel
model: address
applicant_of: HashMap[uint256, address]
granted: public(HashMap[address, bool])

@deploy
def __init__(optimistic: address, model: address):
    self.optimistic = IOptimisticModel(optimistic)
    self.model = model

@payable
@external
def apply(features: Bytes[8192]) -> uint256:
    request_id: uint256 = extcall self.optimistic.request(
        self.model, features, 10**18, 3_600, 1_800, value=msg.value
    )
    self.applicant_of[request_id] = msg.sender
    return request_id

@external
def decide(request_id: uint256, answer: DynArray[int256, 256]):
    assert staticcall self.optimistic.is_final(request_id, answer), "lender: not final"
    self.granted[self.applicant_of[request_id]] = answer[0] == 1
"""


# --- asking


def test_a_request_keeps_its_terms_and_leaves_its_input_on_the_chain(ledger, kit, events):
    alice = ledger.accounts[0]
    call = kit.asking(kit.middle())
    mined = ledger.send(call, alice)
    data = call.arguments["data"]
    expected = binding.Requested(1, alice, kit.staged.address, data, FEE, BOND, WINDOW, PATIENCE)
    assert events(mined, binding.EVENTS) == [expected]
    request = kit.contract.request_of(1)
    assert (request.requester, request.fee, request.bond) == (alice, FEE, BOND)
    assert (request.window, request.patience, request.stage_count) == (WINDOW, PATIENCE, len(kit.stages) - 1)
    assert request.input_vector == keccak(words(kit.middle()))
    assert (request.deadline, request.claimant, request.is_closed) == (mined.time + PATIENCE, NOBODY, False)


def test_terms_that_would_make_a_request_worthless_are_refused(ledger, kit, refused):
    for reason, terms in {
        "optimistic: no bond": {"bond": 1},
        "optimistic: no window": {"window": 0},
        "optimistic: no patience": {"patience": 0},
    }.items():
        with refused(reason):
            ledger.send(kit.asking(kit.middle(), **terms), ledger.accounts[0])


def test_what_is_no_input_of_the_model_is_refused_at_once(ledger, kit, refused):
    good = kit.asking(kit.middle()).arguments["data"]
    for data in (b"", good[:-1], good + b"\0", b"\xff" * len(good)):
        with refused("optimistic: not an input"):
            ledger.send(kit.asking(data), ledger.accounts[0])


def test_a_model_without_stages_is_refused(ledger, kit, refused):
    for table in (listing(), listing(kit.stages[0])):
        with refused("optimistic: no stages"):
            ledger.send(kit.asking(kit.middle(), model=put(ledger, table)), ledger.accounts[0])


def test_an_unknown_request_is_told(kit, refused):
    for reads in (kit.contract.request_of, lambda n: kit.ledger.send(kit.contract.finalise(n), kit.ledger.accounts[0])):
        with refused("optimistic: unknown request"):
            reads(1)
    assert not kit.contract.is_final(1, [])


# --- claims


def test_a_claim_that_nobody_refutes_is_final_and_is_paid(ledger, kit, asked, events, refused):
    alice, bob = ledger.accounts[:2]
    right = kit.right(asked)
    mined = kit.claim(asked, right)
    deadline = mined.time + WINDOW
    expected = binding.Claimed(asked, bob, right.hashes, right.answer, deadline)
    assert events(mined, binding.EVENTS) == [expected]
    assert not kit.contract.is_final(asked, right.answer)
    with refused("optimistic: too early"):
        ledger.send(kit.contract.finalise(asked), alice)
    kit.wait_until(deadline)
    final = ledger.send(kit.contract.finalise(asked), ledger.accounts[4])
    answer = keccak(words(right.answer))
    assert events(final, binding.EVENTS) == [binding.Finalised(asked, bob, answer)]
    assert kit.contract.is_final(asked, right.answer)
    assert not kit.contract.is_final(asked, (right.answer[0] + 1, *right.answer[1:]))
    assert not kit.contract.is_final(asked, right.answer[:-1])
    assert kit.contract.owed(bob) == FEE + BOND
    collected = ledger.send(kit.contract.collect(), bob)
    assert events(collected, binding.EVENTS) == [binding.Collected(bob, FEE + BOND)]
    assert ledger.node.balance(kit.contract.address) == 0
    with refused("optimistic: nothing owed"):
        ledger.send(kit.contract.collect(), bob)
    for call in (kit.contract.finalise(asked), kit.contract.give_back(asked)):
        with refused("optimistic: closed"):
            ledger.send(call, alice)


def test_a_claim_takes_the_bond_the_hashes_and_their_answer(ledger, kit, asked, refused):
    right = kit.right(asked)
    for value in (0, BOND - 1, BOND + 1):
        with refused("optimistic: not the bond"):
            kit.claim(asked, right, value=value)
    for hashes in (right.hashes[:-1], (*right.hashes, right.hashes[-1])):
        call = kit.contract.claim(asked, hashes, right.answer, value=BOND)
        with refused("optimistic: wrong number"):
            ledger.send(call, ledger.accounts[1])
    call = kit.contract.claim(asked, right.hashes, right.answer[::-1], value=BOND)
    with refused("optimistic: not the answer"):
        ledger.send(call, ledger.accounts[1])


def test_one_claim_stands_at_a_time(kit, asked, refused):
    kit.claim(asked, kit.right(asked))
    with refused("optimistic: already claimed"):
        kit.claim(asked, kit.right(asked), who=3)


def test_nobody_claims_when_patience_is_over_and_the_fee_goes_back(ledger, kit, asked, events, refused):
    alice, carol = ledger.accounts[0], ledger.accounts[2]
    with refused("optimistic: too early"):
        ledger.send(kit.contract.give_back(asked), alice)
    kit.wait_until(ledger.time + PATIENCE)
    with refused("optimistic: too late"):
        kit.claim(asked, kit.right(asked))
    mined = ledger.send(kit.contract.give_back(asked), carol)
    assert events(mined, binding.EVENTS) == [binding.GivenBack(asked, alice)]
    assert (kit.contract.owed(alice), kit.contract.request_of(asked).is_closed) == (FEE, True)
    assert not kit.contract.is_final(asked, ())
    with refused("optimistic: closed"):
        kit.claim(asked, kit.right(asked))


def test_the_fee_does_not_go_back_while_a_claim_stands(ledger, kit, asked, refused):
    kit.claim(asked, kit.right(asked))
    kit.wait_until(ledger.time + WINDOW)
    with refused("optimistic: already claimed"):
        ledger.send(kit.contract.give_back(asked), ledger.accounts[0])


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
        assert (request.claimant, request.is_closed, request.fee) == (NOBODY, False, FEE)
        assert request.deadline == mined.time + PATIENCE
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
        with refused("optimistic: other hashes"):
            kit.refute(asked, told, 1, hashes=hashes)
    kit.refute(asked, told, 1)


def test_a_lie_is_not_refuted_after_the_window_nor_final_before(ledger, kit, asked, refused):
    told = kit.lie(asked, 0)
    deadline = kit.claim(asked, told).time + WINDOW
    kit.wait_until(deadline)
    with refused("optimistic: too late"):
        kit.refute(asked, told, 0)
    ledger.send(kit.contract.finalise(asked), ledger.accounts[1])  # nobody watched
    with refused("optimistic: closed"):
        kit.refute(asked, told, 0)


def test_a_liar_who_refutes_itself_loses_half_and_ends_nothing(ledger, kit, asked):
    bob = ledger.accounts[1]
    told = kit.lie(asked, 2)
    kit.claim(asked, told)
    kit.refute(asked, told, 2, who=1)
    assert kit.contract.owed(bob) == BOND // 2
    assert not kit.contract.is_final(asked, told.answer)
    right = kit.right(asked)
    deadline = kit.claim(asked, right, who=3).time + WINDOW
    kit.wait_until(deadline)
    ledger.send(kit.contract.finalise(asked), bob)
    assert kit.contract.is_final(asked, right.answer)


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
        ledger.send(kit.asking(b"\x01", model=table), ledger.accounts[0])
        request_id, answer = kit.contract.request_count(), (7,)
        hashes = [keccak(words(answer))]
        ledger.send(kit.contract.claim(request_id, hashes, answer, value=BOND), ledger.accounts[1])
        vector = (5 << 248).to_bytes(32) + bytes(32)
        with refused(reason):
            ledger.send(kit.contract.refute(request_id, [unpacks, stage], hashes, 0, vector), ledger.accounts[2])
    with refused("optimistic: too wide"):
        ledger.send(kit.asking(b"\x01", model=put(ledger, listing(bomb, fails))), ledger.accounts[0])


def test_a_contract_that_takes_no_coins_keeps_what_it_is_owed(ledger, kit, refused):
    """Its request is over all the same, and nobody else waits for it."""
    data = kit.asking(kit.middle()).data
    # Passes its calldata on with its coins; refuses every coin that comes without calldata.
    proxy = "36600857" + "5f5ffd" + "00" + "5b" + "365f5f375f5f365f3473" + kit.contract.address[2:] + "5af1" + "00"
    agent = put(ledger, bytes.fromhex(proxy))
    ledger.send(Call(agent, data, FEE), ledger.accounts[0])
    request_id = kit.contract.request_count()
    kit.wait_until(ledger.time + PATIENCE)
    ledger.send(kit.contract.give_back(request_id), ledger.accounts[3])
    assert kit.contract.owed(kit.contract.request_of(request_id).requester) == FEE
    with pytest.raises(Rejected) as caught:
        ledger.call(kit.contract.address, kit.contract.collect().data, sender=agent)
    assert caught.value.code == "optimistic: transfer refused"


def test_a_claimant_can_compare_every_stage_before_it_puts_up_a_bond(kit):
    report = kit.staged.check(kit.ledger.node)
    assert report.ok
    assert report.total == len(kit.stages) + 1
    other = Kit.on(kit.ledger, replace(kit.staged.model, name="other"))
    swapped = replace(kit.staged, table=other.staged.table[:-1])
    assert [check.name for check in swapped.check(kit.ledger.node).failures] == ["table"]


def test_a_contract_acts_on_a_final_answer_of_its_own_model_alone(ledger, kit, refused):
    bob, carol = ledger.accounts[1:3]
    lender = ledger.deploy(compiled(LENDER) + encode(["address"] * 2, [kit.contract.address, kit.staged.address]))
    x = kit.middle()
    data = kit.asking(x).arguments["data"]
    ledger.send(Call(lender, selector("apply(bytes)") + encode(["bytes"], [data]), FEE), bob)
    kit.inputs[1] = x
    right = kit.right(1)

    def decide(answer):
        call = selector("decide(uint256,int256[])") + encode(["uint256", "int256[]"], [1, answer])
        return ledger.send(Call(lender, call), carol)

    kit.claim(1, right)
    with refused("lender: not final"):
        decide(right.answer)
    kit.wait_until(ledger.time + WINDOW)
    ledger.send(kit.contract.finalise(1), carol)
    with refused("lender: not final"):
        decide((1 - right.answer[0], *right.answer[1:]))
    decide(right.answer)
    granted = ledger.call(lender, selector("granted(address)") + encode(["address"], [bob]))
    assert int.from_bytes(granted) == (right.answer[0] == 1)
