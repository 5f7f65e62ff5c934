"""Accounts that are contracts: one that calls back while it is paid, one that vouches by the state of the chain."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from vyper import compile_code

from tallystick.chain.bindings.committee import FeatureDemand
from tallystick.core.digest import keccak, sha256
from tallystick.lithic.committee.request import request_id
from tests.contracts.committee_kit import BOND, FEE, Kit

# Asks through `relay`, and calls `again` back whenever it is sent coins.
GREEDY = """
# pragma version 0.4.3
again: Bytes[64]
committee: address
calls: public(uint256)

@external
@payable
def relay(target: address, data: Bytes[4096], amount: uint256, again: Bytes[64]):
    self.again = again
    self.committee = target
    raw_call(target, data, value=amount)

@external
@payable
def __default__():
    self.calls += 1
    ok: bool = raw_call(self.committee, self.again, revert_on_failure=False)
    assert not ok, "greedy: it worked"
"""

# Vouches for one feature: the coins that the subject holds, in finney, two bytes.
BALANCES = """
# pragma version 0.4.3
@external
@view
def check_features(
    source_id: uint256, subject: bytes32, features: Bytes[8192], observed_at: uint64, max_age_s: uint32,
    proof: Bytes[1024],
) -> bool:
    who: address = convert(convert(subject, uint256), address)
    held: uint256 = min(who.balance // 10**15, 65_535)
    return features == slice(convert(held, bytes32), 30, 2)
"""


@pytest.fixture
def kit(ledger):
    return Kit(ledger)


def put(ledger, source):
    return ledger.deploy(bytes.fromhex(compile_code(source, output_formats=["bytecode"])["bytecode"][2:]))


def test_a_consumer_that_calls_back_while_it_is_paid_is_paid_once(ledger, kit):
    greedy = put(ledger, GREEDY)
    (alice,) = kit.staff([BOND])
    selector = keccak(b"relay(address,bytes,uint256,bytes)")[:4]

    def relayed(call):
        again = kit.contract.collect().data
        given = encode(["address", "bytes", "uint256", "bytes"], [kit.contract.address, call.data, call.value, again])
        return type(call)(greedy, selector + given, call.value)

    terms = kit.terms([alice])
    ledger.send(relayed(kit.opening(terms)), ledger.accounts[0])
    request = request_id(ledger.chain_id, kit.contract.address, greedy, 0, terms)
    kit.wait_until(kit.contract.request_at(request).reveal_until + 1)
    kit.settle(request)
    assert kit.contract.credit_of(greedy) == FEE
    ledger.send(relayed(kit.contract.collect()), ledger.accounts[0])
    assert int.from_bytes(ledger.call(greedy, keccak(b"calls()")[:4]), "big") == 1
    assert (ledger.node.balance(greedy), kit.contract.credit_of(greedy)) == (FEE, 0)
    assert ledger.node.balance(kit.contract.address) == BOND


def test_the_state_of_the_chain_can_vouch_for_features(ledger, kit, refused):
    source, borrower = put(ledger, BALANCES), ledger.accounts[4]
    (alice,) = kit.staff([BOND])
    held = min(ledger.node.balance(borrower) // 10**15, 65_535)
    demand = FeatureDemand(source, 0, bytes(12) + bytes.fromhex(borrower[2:]), 0)
    for claimed in (held, held - 1):
        features = claimed.to_bytes(2, "big")
        terms = kit.terms([alice], input_digest=sha256(features), demand=demand)
        if claimed == held:
            kit.send(kit.opening(terms, data=features), ledger.accounts[0])
            continue
        with refused("requests: features refused"):
            kit.send(kit.opening(terms, data=features), ledger.accounts[0])
