"""What an account does while it validates keeps the rules by which bundlers take operations (ERC-7562), on each ledger.

The same checker catches an account of tests that breaks each rule, and takes what only looks like breaking one.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from anvil_node import running_anvil

from tallystick.chain.calls import Call
from tests.contracts.anvil_ledger import AnvilLedger
from tests.contracts.conftest import Ledger
from tests.contracts.entry_point import EntryPoint, operation_of
from tests.contracts.policy_kit import ACCOUNT, HOUR, NATIVE, NOBODY, SESSION, Wallet, World, transfer_data
from tests.contracts.prober import BORROWS_IT, CALLS_IT, DEPOSITS, DEPOSITS_FOR_OTHERS, make_prober
from tests.contracts.validation_rules import CALLS, validations, violations
from tests.contracts.validation_trace import address_of, frames, trace_anvil, trace_embedded

ECRECOVER = f"0x{1:040x}"
STOP, POP = b"\x00", b"\x50"
HERE = bytes.fromhex("335f525f602052")  # memory: caller ‖ 0
DONE = POP + STOP


class Bundler:
    """Who would relay operations: simulates the bundle first, and looks at every instruction of the validations."""

    def __init__(self, ledger):
        self.ledger, self.entry = ledger, EntryPoint(ledger)
        self.trace = trace_anvil if isinstance(ledger, AnvilLedger) else trace_embedded

    def validations(self, *operations):
        """Return a frame for each operation."""
        who = self.ledger.accounts[6]
        call = self.entry.handle(operations, who)
        return self.framed(call.to, call.data, who)

    def framed(self, to, data, who):
        steps = self.trace(self.ledger, to, data, who)
        return validations(frames(steps, to.lower(), who.lower(), data), self.entry.address)

    def broken(self, validation):
        return violations(validation, self.entry.address, lambda address: self.ledger.node.code(address) != b"")

    def rules_broken(self, code, mode=CALLS_IT):
        """Return the rules that a prober of this code breaks."""
        (validation,) = self.validations(make_prober(self.ledger, code, mode).operation())
        return [one.rule for one in self.broken(validation)]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("bundler") / "chain.db")
    yield Bundler(ledger)
    ledger.node.close()


@pytest.fixture(scope="module")
def upon_anvil():
    with running_anvil() as anvil:
        ledger = AnvilLedger(anvil)
        yield Bundler(ledger)
        ledger.node.close()


@pytest.fixture(params=["embedded", pytest.param("upon_anvil", marks=pytest.mark.anvil)])
def bundler(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def wallet(bundler):
    return make_wallet(bundler)


def make_wallet(bundler):
    made = Wallet(World(bundler.ledger, bundler.entry.address), is_sealed=False)
    made.fund(10**9)
    made.native_buckets(10**8)
    made.send(made.account.seal(), made.owner)
    return made


def paying(wallet, entry, **given):
    return operation_of(wallet, entry, wallet.token.address, transfer_data(wallet.payee, 10), **given)


def test_two_operations_of_a_bundle_are_validated_within_the_rules(bundler, wallet):
    bundle = [paying(wallet, bundler.entry, lane=lane) for lane in (1, 2)]
    found = bundler.validations(*bundle)
    assert [bundler.broken(one) for one in found] == [[], []]


def test_a_validation_touches_no_storage_but_the_accounts_and_no_companion(bundler, wallet):
    (validation,) = bundler.validations(paying(wallet, bundler.entry))
    inner = list(validation.walk())
    entry = bundler.entry.address.lower()
    called = {address_of(step.stack[1]) for one in inner for step in one.steps if step.op in CALLS}
    assert called == {wallet.world.implementation.lower(), ECRECOVER, entry}
    assert {one.storage for one in inner} == {wallet.address.lower(), entry}


def test_operations_that_are_paid_by_a_deposit_a_sponsor_or_counted_for_life_keep_the_rules_too(bundler, wallet):
    wallet.send(bundler.entry.handle([paying(wallet, bundler.entry, fee=100)], wallet.stranger), wallet.stranger)
    (by_deposit,) = bundler.validations(paying(wallet, bundler.entry, fee=1))
    assert bundler.broken(by_deposit) == []
    for scope, holder in ((ACCOUNT, NOBODY), (SESSION, wallet.session)):
        wallet.bucket(scope, holder, NATIVE, cap=10**7, period_s=HOUR, lifetime_cap=10**9)
    (for_life,) = bundler.validations(paying(wallet, bundler.entry, fee=1))
    assert bundler.broken(for_life) == []
    sponsored = paying(wallet, bundler.entry, sponsor=bytes(52))
    asked = wallet.account.validate_user_op(sponsored, bundler.entry.hash(sponsored), 0)
    (by_sponsor,) = bundler.framed(asked.to, asked.data, bundler.entry.address)
    assert bundler.broken(by_sponsor) == []


def test_refusals_keep_the_rules(bundler, wallet):
    right = paying(wallet, bundler.entry)
    refused = [
        paying(wallet, bundler.entry, fee=10**6),  # over budget
        paying(wallet, bundler.entry, call=b"1234" + bytes(64)),
        replace(right, nonce=int(wallet.stranger, 16) << 96),
        replace(right, signature=bytes(65)),
    ]
    wallet.send(wallet.account.set_level(wallet.session, 1), wallet.session)
    for operation in [*refused, right]:
        (validation,) = bundler.validations(operation)
        assert bundler.broken(validation) == []


def test_a_wrong_signature_is_as_much_work_as_a_right_one(bundler, wallet):
    """So gas can be estimated before there is a signature (ERC-4337)."""
    right, wrong = (
        bundler.validations(paying(wallet, bundler.entry, who=who))[0] for who in (wallet.session, wallet.owner)
    )
    right, wrong = ([step.op for one in found.walk() for step in one.steps] for found in (right, wrong))
    assert right == wrong


@pytest.mark.anvil
def test_both_ledgers_tell_of_the_same_instructions(embedded, upon_anvil):
    told = []
    for bundler in (embedded, upon_anvil):
        wallet = make_wallet(bundler)
        (validation,) = bundler.validations(paying(wallet, bundler.entry))
        told.append([[(step.op, step.pc, len(step.memory)) for step in one.steps] for one in validation.walk()])
    assert told[0] == told[1]


FORBIDDEN = {
    "who began": ("OP-011", b"\x32" + DONE),
    "the price of gas": ("OP-011", b"\x3a" + DONE),
    "the hash of a block": ("OP-011", b"\x5f\x40" + DONE),
    "the block's maker": ("OP-011", b"\x41" + DONE),
    "the time": ("OP-011", b"\x42" + DONE),
    "the height": ("OP-011", b"\x43" + DONE),
    "the beacon": ("OP-011", b"\x44" + DONE),
    "the block's gas": ("OP-011", b"\x45" + DONE),
    "the base fee": ("OP-011", b"\x48" + DONE),
    "a contract is made": ("OP-011", b"\x5f\x5f\x5f\xf0" + DONE),
    "an invalid instruction": ("OP-011", b"\xfe"),
    "self-destruction": ("OP-011", b"\x33\xff"),
    "gas is measured": ("OP-012", b"\x5a" + DONE),
    "gas is measured before it is passed on": ("OP-012", bytes.fromhex("5f5f5f5f60045a8050fa") + DONE),
    "an unknown instruction": ("OP-013", b"\x0c"),
    "gas runs out": ("OP-020", b"\x5b\x5f\x56"),
    "a contract is made at a chosen place": ("OP-031", b"\x5f\x5f\x5f\x5f\xf5" + DONE),
    "the size of no code": ("OP-041", b"\x61\xbe\xef\x3b" + DONE),
    "the hash of no code": ("OP-041", b"\x61\xbe\xef\x3f" + DONE),
    "a copy of no code": ("OP-041", b"\x5f\x5f\x5f\x61\xbe\xef\x3c" + STOP),
    "a call of no code": ("OP-041", bytes.fromhex("5f5f5f5f5f61beef5af1") + DONE),
    "a static call of no code": ("OP-041", bytes.fromhex("5f5f5f5f61beef5afa") + DONE),
    "a borrowing of no code": ("OP-041", bytes.fromhex("5f5f5f5f61beef5af4") + DONE),
    "a call with value": ("OP-061", bytes.fromhex("5f5f5f5f6001305af1") + DONE),
    "a newer precompile": ("OP-062", bytes.fromhex("5f5f5f5f600b5afa") + DONE),
    "storage of another contract": ("STO-021", b"\x5f\x54" + DONE),
    "a write to another contract": ("STO-021", b"\x5f\x5f\x55" + STOP),
    "transient storage of another contract": ("STO-021", b"\x5f\x5c" + DONE),
    "a slot that is 129 behind the account's": ("STO-021", HERE + bytes.fromhex("60405f2060810154") + DONE),
    "a slot computed the other way round": ("STO-021", bytes.fromhex("5f5f523360205260405f2054") + DONE),
    "a balance": ("OP-080", b"\x30\x31" + DONE),
    "one's own balance": ("OP-080", b"\x47" + DONE),
}
PERMITTED = {
    "gas that is passed on": bytes.fromhex("5f5f5f5f60045afa") + DONE,
    "a slot that is the account": b"\x33\x54" + DONE,
    "a slot computed from the account": HERE + bytes.fromhex("60405f2054") + DONE,
    "a slot that is 128 behind it": HERE + bytes.fromhex("60405f2060800154") + DONE,
    "a revert": b"\x5f\x5f\xfd",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_an_account_that_breaks_a_rule_is_caught(bundler, what):
    rule, code = FORBIDDEN[what]
    assert bundler.rules_broken(code) == [rule]


@pytest.mark.parametrize("what", PERMITTED)
def test_what_only_looks_like_it_is_not(bundler, what):
    assert bundler.rules_broken(PERMITTED[what]) == []


def test_borrowed_code_works_on_the_accounts_own_storage(bundler):
    assert bundler.rules_broken(b"\x5f\x54" + DONE, BORROWS_IT) == []
    assert bundler.rules_broken(b"\x42" + DONE, BORROWS_IT) == ["OP-011"]


def test_the_entry_point_takes_deposits_of_the_account_and_answers_nothing_else(bundler):
    entry = b"\x73" + bytes.fromhex(bundler.entry.address[2:])
    assert bundler.rules_broken(entry + b"\x3b\x15" + DONE) == []
    for code in (entry + b"\x3b" + DONE, entry + b"\x3f" + DONE, b"\x5f\x5f\x5f\x5f" + entry + b"\x5a\xfa" + DONE):
        assert "OP-054" in bundler.rules_broken(code)
    for mode, rules in ((DEPOSITS, set()), (DEPOSITS_FOR_OTHERS, {"OP-054", "STO-021"})):
        prober = make_prober(bundler.ledger, STOP, mode)
        bundler.ledger.send(Call(prober.address, b"", 10), bundler.ledger.accounts[0])
        (validation,) = bundler.validations(prober.operation())
        assert {one.rule for one in bundler.broken(validation)} == rules
