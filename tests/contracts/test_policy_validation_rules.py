"""What an account does while it validates keeps the rules by which bundlers take operations (ERC-7562), on both ledgers.

The same checker catches an account of tests for each rule that it breaks.
"""

from __future__ import annotations

import pytest
from anvil_node import running_anvil

from tests.contracts.anvil_ledger import AnvilLedger
from tests.contracts.entry_point import EntryPoint, operation_of
from tests.contracts.policy_kit import Wallet, World, transfer_data
from tests.contracts.validation_rules import validations, violations
from tests.contracts.validation_trace import frames, trace_anvil, trace_embedded


class Bundler:
    """What somebody who would relay operations does first: simulate the bundle, and look at every instruction."""

    def __init__(self, ledger, entry):
        self.ledger, self.entry = ledger, entry

    def steps(self, call, sender):
        if hasattr(self.ledger, "anvil"):
            return trace_anvil(self.ledger.anvil, call.to, call.data, sender)
        return trace_embedded(self.ledger, call.to, call.data, sender)

    def validations(self, *operations):
        who = self.ledger.accounts[6]
        call = self.entry.handle(operations, who)
        return validations(frames(self.steps(call, who), call.to.lower(), who.lower(), call.data), self.entry.address)

    def broken(self, validation):
        return violations(validation, self.entry.address, lambda address: self.ledger.node.code(address) != b"")


@pytest.fixture(scope="module", params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def bundler(request, ledger):
    if request.param == "embedded":
        yield Bundler(ledger, EntryPoint(ledger))
        return
    with running_anvil() as anvil:
        there = AnvilLedger(anvil)
        yield Bundler(there, EntryPoint(there))
        there.node.close()


@pytest.fixture(scope="module")
def wallet(bundler):
    made = Wallet(World(bundler.ledger, bundler.entry.address), is_sealed=False)
    made.fund(10**9)
    made.native_buckets(10**8)
    made.send(made.account.seal(), made.owner)
    return made


def paying(wallet, entry, **given):
    return operation_of(wallet, entry, wallet.token.address, transfer_data(wallet.payee, 10), **given)


def test_an_operation_is_validated_within_the_rules(bundler, wallet):
    (validation,) = bundler.validations(paying(wallet, bundler.entry))
    print(len(validation.steps), sum(len(f.steps) for f in validation.walk()))
    assert bundler.broken(validation) == []
