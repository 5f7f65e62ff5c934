"""A session acts through ERC-4337's EntryPoint within the same policy, and the gas is spend: nothing of it is free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.chain.bindings.policy_account import Denied, PolicyAccount
from tallystick.core.errors import Rejected
from tests.contracts.entry_point import EXECUTE, EntryPoint, cost_max, operation_of
from tests.contracts.policy_kit import (
    ACCOUNT,
    DAY,
    HOUR,
    NATIVE,
    NOBODY,
    SESSION,
    Wallet,
    World,
    transfer_data,
)

BUDGET = 10**8


@pytest.fixture(scope="module")
def entry(ledger):
    return EntryPoint(ledger)


@pytest.fixture(scope="module")
def world(ledger, entry):
    return World(ledger, entry.address)


@pytest.fixture
def wallet(world):
    made = Wallet(world, is_sealed=False)
    made.fund(10**9)
    made.native_buckets(BUDGET)
    made.send(made.account.seal(), made.owner)
    return made


def paying(wallet, entry, amount, **given):
    return operation_of(wallet, entry, wallet.token.address, transfer_data(wallet.payee, amount), **given)


def turned_away(code):
    """Expect the EntryPoint to refuse with FailedOp of this code, which is no plain reason."""
    return pytest.raises(Rejected, match=code.encode().hex())


def handle(wallet, entry, *operations):
    return wallet.send(entry.handle(operations, wallet.stranger), wallet.stranger)


def test_an_operation_pays_and_its_gas_is_out_of_the_buckets_before(wallet, entry):
    operation = paying(wallet, entry, 100)
    mined = handle(wallet, entry, operation)
    (outcome,) = entry.outcomes(mined)
    assert outcome.succeeded
    assert wallet.token.balance_of(wallet.payee) == 100
    gas, link = [event for event in wallet.events(mined) if type(event).__name__ == "ActionLogged"]
    assert (gas.kind, gas.amount, gas.token, gas.target) == (6, cost_max(operation), NATIVE, entry.address)
    assert gas.data_hash == entry.hash(operation)
    assert (link.kind, link.amount, link.result) == (3, 100, True)
    for scope, holder in ((ACCOUNT, NOBODY), (SESSION, wallet.session)):
        assert wallet.available(scope, holder, NATIVE) == BUDGET - cost_max(operation)
    left = cost_max(operation) - outcome.cost
    assert entry.deposit_of(wallet.address) == left  # what was not used stays there, and is counted as spent
    assert wallet.ledger.node.balance(wallet.address) == 10**9 - cost_max(operation)


def test_two_lanes_in_one_bundle_are_each_metered(wallet, entry):
    one, two = paying(wallet, entry, 400, lane=1), paying(wallet, entry, 300, lane=2)
    mined = handle(wallet, entry, one, two)
    assert [outcome.succeeded for outcome in entry.outcomes(mined)] == [True, True]
    assert wallet.reason(mined) == "buckets: over budget"  # the second: 600 is all that the session has
    assert wallet.token.balance_of(wallet.payee) == 400
    more = [paying(wallet, entry, 100, lane=lane) for lane in (1, 2)]
    assert wallet.reason(handle(wallet, entry, *more)) == ""
    assert wallet.token.balance_of(wallet.payee) == 600


def test_what_the_policy_refuses_is_denied_and_counted_and_moves_nothing(wallet, entry):
    mined = handle(wallet, entry, paying(wallet, entry, 501))
    assert Denied(wallet.session, "rules: over the cap", 1) in wallet.events(mined)
    assert wallet.token.balance_of(wallet.payee) == 0
    assert wallet.account.state_of(wallet.session).denials == 1


def test_a_wrong_key_and_a_stranger_pay_for_nothing(wallet, entry):
    for wrong in (paying(wallet, entry, 1, who=wallet.stranger), paying(wallet, entry, 1, who=wallet.owner)):
        with turned_away("AA24"):
            handle(wallet, entry, wrong)
    forged = replace(paying(wallet, entry, 1), nonce=int(wallet.stranger, 16) << 96)
    with turned_away("AA23"):
        handle(wallet, entry, forged)
    assert wallet.available(ACCOUNT, NOBODY, NATIVE) == BUDGET
    assert (entry.deposit_of(wallet.address), wallet.ledger.node.balance(wallet.address)) == (0, 10**9)


def test_gas_beyond_the_budget_is_not_paid(wallet, entry):
    dear = paying(wallet, entry, 1, fee=200)
    assert cost_max(dear) > BUDGET
    with turned_away("AA23"):
        handle(wallet, entry, dear)
    cheap = paying(wallet, entry, 1, fee=100)
    handle(wallet, entry, cheap)
    with turned_away("AA23"):
        handle(wallet, entry, paying(wallet, entry, 1, fee=100))  # the deposit would pay, the buckets do not


def test_gas_is_paid_from_what_was_last_counted_and_anybody_counts(wallet, entry, world):
    handle(wallet, entry, paying(wallet, entry, 1, fee=100))
    for scope, holder in ((ACCOUNT, NOBODY), (SESSION, wallet.session)):
        wallet.change(wallet.account.set_bucket(scope, holder, NATIVE, BUDGET, BUDGET, HOUR, 2**128 - 1))
    wallet.wait(2 * HOUR)
    with turned_away("AA23"):
        handle(wallet, entry, paying(wallet, entry, 1, fee=100))
    for scope, holder in ((ACCOUNT, NOBODY), (SESSION, wallet.session)):
        wallet.send(wallet.account.accrue(scope, holder, NATIVE), wallet.stranger)
    handle(wallet, entry, paying(wallet, entry, 1, fee=100))
    assert wallet.token.balance_of(wallet.payee) == 2


def test_a_frozen_account_pays_no_gas_either(wallet, entry):
    operation = paying(wallet, entry, 1)
    wallet.send(wallet.account.freeze(DAY), wallet.guardian)
    with turned_away("AA23"):
        handle(wallet, entry, operation)
    wallet.wait(DAY + 1)
    with turned_away("AA23"):
        handle(wallet, entry, operation)
    assert wallet.ledger.node.balance(wallet.address) == 10**9


def test_operations_outside_their_window_or_level_are_refused_by_the_entry_point(wallet, entry):
    late = wallet.stranger
    start = wallet.now() + 10 * HOUR
    wallet.send(wallet.account.set_level(wallet.session, 1), wallet.session)
    with turned_away("AA23"):
        handle(wallet, entry, paying(wallet, entry, 1))
    wallet.change(wallet.account.grant_session(late, wallet.terms(valid_after=start, valid_until=start + DAY)))
    wallet.change(wallet.account.set_bucket(SESSION, late, NATIVE, BUDGET, 0, DAY, BUDGET))
    wallet.session = late
    with turned_away("AA22"):
        handle(wallet, entry, paying(wallet, entry, 0))
    wallet.wait(start + 1 - wallet.now())
    handle(wallet, entry, paying(wallet, entry, 0))


def test_whose_owner_is_silent_spends_no_gas(world, entry):
    """Not even by operations that make no sense, of which no count is kept and which lower no level."""
    wallet = Wallet(world, is_sealed=False, heartbeat_s=HOUR)
    wallet.fund(10**9)
    wallet.native_buckets(BUDGET)
    wallet.send(wallet.account.seal(), wallet.owner)
    nonsense = {"call": EXECUTE + b"nonsense"}
    (outcome,) = entry.outcomes(handle(wallet, entry, paying(wallet, entry, 1, **nonsense)))
    assert not outcome.succeeded
    assert outcome.cost > 0
    wallet.wait(HOUR + 1)
    held = wallet.ledger.node.balance(wallet.address)
    for silent in (paying(wallet, entry, 1, **nonsense), paying(wallet, entry, 1)):
        with turned_away("AA22"):
            handle(wallet, entry, silent)
    assert wallet.ledger.node.balance(wallet.address) == held
    wallet.send(wallet.account.heartbeat(), wallet.owner)
    (outcome,) = entry.outcomes(handle(wallet, entry, paying(wallet, entry, 1)))
    assert outcome.succeeded


def test_only_the_entry_point_asks_and_only_for_that_call(wallet, entry, refused):
    operation = paying(wallet, entry, 1)
    digest = entry.hash(operation)
    for call in (
        wallet.account.validate_user_op(operation, digest, 0),
        wallet.account.execute_user_op(operation, digest),
    ):
        for who in (wallet.stranger, wallet.session, wallet.owner):
            with refused("operations: not the entry point"):
                wallet.send(call, who)
    direct = wallet.account.execute(wallet.token.address, 0, transfer_data(wallet.payee, 1), bytes(32))
    with turned_away("AA23"):
        handle(wallet, entry, paying(wallet, entry, 1, call=direct.data))
    mined = handle(wallet, entry, paying(wallet, entry, 1, call=EXECUTE + b"rubbish"))
    assert [outcome.succeeded for outcome in entry.outcomes(mined)] == [False]


def as_entry_point(world, operation, digest, missing):
    """Ask validateUserOp in the EntryPoint's name, which a real one would not do like this."""
    asked = PolicyAccount(world.ledger, operation.sender).validate_user_op(operation, digest, missing)
    return world.ledger.call(asked.to, asked.data, sender=world.entry_point)


def test_an_entry_point_that_asks_for_more_than_gas_may_cost_gets_nothing(wallet, entry, world, refused):
    operation = paying(wallet, entry, 1)
    digest = entry.hash(operation)
    answer = int.from_bytes(as_entry_point(world, operation, digest, cost_max(operation)), "big")
    assert answer & (2**160 - 1) == 0
    assert (answer >> 160) & (2**48 - 1) == 2**48 - 1
    assert answer >> 208 == 1
    with refused("operations: asks too much"):
        as_entry_point(world, operation, digest, cost_max(operation) + 1)
    with refused("operations: not an execution"):
        as_entry_point(world, replace(operation, call_data=b"1234"), digest, 0)
    with refused("sessions: not live"):
        as_entry_point(world, replace(operation, nonce=0), digest, 0)
    wrong = int.from_bytes(as_entry_point(world, replace(operation, signature=bytes(65)), digest, 0), "big")
    assert wrong & (2**160 - 1) == 1


def test_a_sponsors_operation_costs_the_account_no_gas(wallet, entry, world):
    operation = paying(wallet, entry, 1, sponsor=bytes(52))
    for scope, holder in ((ACCOUNT, NOBODY), (SESSION, wallet.session)):
        wallet.bucket(scope, holder, NATIVE, cap=0)
    answer = int.from_bytes(as_entry_point(world, operation, entry.hash(operation), 0), "big")
    assert answer & (2**160 - 1) == 0
