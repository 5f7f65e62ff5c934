"""Feedback files and the payments that they name, against the chain; and what the index makes of feedback."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from eth_abi.abi import encode

from tallystick.agents.directory import Directory
from tallystick.agents.identity.reference import AgentRef
from tallystick.agents.projection import projection
from tallystick.agents.reputation.feedback import Feedback, ProofOfPayment, check_feedback
from tallystick.agents.reputation.payments import TRANSFER, check_payee, in_units, read_payment
from tallystick.agents.scoring import Payment, Seed, Terms, Trust
from tallystick.agents.scoring.baseline import naive_average, paid_average
from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.bindings.agent_reputation import NewFeedback
from tallystick.chain.calls import Call
from tallystick.chain.fees import Fees
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.index import Index
from tests.contracts.agent_kit import compiled
from tests.contracts.coin_kit import Coin

AGENT = AgentRef.parse("eip155:1:0x8004A169FB4a3325136EB29fA0ceB6D2e539a432/22")
CLIENT = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"
PAID = ProofOfPayment(CLIENT, AGENT.registry.address, 1, b"t" * 32)
FILE = Feedback(AGENT, CLIENT, "2026-11-27T12:00:00Z", -9977, 2, "starred", "", "https://a.example", PAID)


def test_a_feedback_file_reads_back():
    for one in (FILE, replace(FILE, payment=None), replace(FILE, amount=10**38, decimals=18)):
        assert Feedback.from_bytes(one.to_bytes()) == one


def altered(**members):
    return json.dumps({**json.loads(FILE.to_bytes()), **members}).encode()


def test_a_strangers_file_may_write_numbers_as_numbers():
    payment = {**PAID.to_dict(), "chainId": 1}
    data = altered(agentId=22, value=-9977, proofOfPayment=payment, clientAddress=CLIENT, skill="x", extra=0.5)
    assert Feedback.from_bytes(data) == FILE


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"[]", "document.type"),
        (b"{}", "agent_file.missing"),
        (altered(value="--1"), "document.decimal"),
        (altered(value=str(10**38 + 1)), "document.decimal"),
        (altered(value=0.5), "document.type"),
        (altered(valueDecimals=19), "document.range"),
        (altered(clientAddress="eip155:1:nobody"), "address.form"),
        (altered(proofOfPayment=[]), "document.type"),
        (altered(proofOfPayment={**PAID.to_dict(), "txHash": "0x1"}), "digest.hex"),
        (altered(proofOfPayment={**PAID.to_dict(), "chainId": 0}), "document.range"),
        (altered(proofOfPayment={"fromAddress": CLIENT}), "address.form"),
    ],
)
def test_what_is_no_feedback_file_is_refused(data, code):
    with pytest.raises(InvalidInput) as caught:
        Feedback.from_bytes(data)
    assert caught.value.code == code


def test_a_file_must_repeat_what_the_chain_says(ledger, registries, agent):
    bob = ledger.accounts[1]
    file = Feedback(agent, bob, "2026-11-27T12:00:00Z", 90, 0, "starred", "", "", replace(PAID, from_address=bob))

    def said(one, *, about=agent, amount=90):
        data = one.to_bytes()
        call = registries.reputation.give_feedback(
            about.agent_id, amount, 0, "starred", "", "", "ipfs://f", keccak(data)
        )
        (log,) = ledger.send(call, bob).logs
        return [check.name for check in check_feedback(NewFeedback.decode(log), about, data).failures]

    assert said(file) == []
    assert said(file, amount=91) == ["value"]
    assert said(replace(file, agent=AGENT)) == ["agent"]
    assert said(replace(file, client=CLIENT, payment=None)) == ["client"]
    assert said(replace(file, payment=replace(PAID, from_address=ledger.accounts[2]))) == ["payer"]
    (log,) = ledger.send(registries.reputation.give_feedback(agent.agent_id, 1, 0, "", "", "", "", bytes(32)), bob).logs
    report = check_feedback(NewFeedback.decode(log), agent, b"{")
    assert [check.name for check in report.failures] == ["digest", "form"]


# --- payments


def paid(ledger, call, payer):
    """Send the call and return the hash of its transaction."""
    ledger.send(call, payer)
    return ledger.node.block(full=True).transactions[0]


def test_a_payment_in_the_chains_own_coin_is_read_with_what_it_burned(ledger):
    alice, bob = ledger.accounts[:2]
    tx_hash = paid(ledger, Call(bob, b"", 12_345), alice)
    fact = read_payment(ledger.node, ProofOfPayment(alice, bob, ledger.chain_id, tx_hash))
    block = ledger.node.block()
    assert (fact.payer, fact.payee, fact.price, fact.block_number) == (alice, bob, 12_345, block.number)
    assert fact.fee_payer == alice
    assert fact.burned_wei == 21_000 * block.base_fee > 0
    for wrong in ((bob, alice), (alice, alice)):
        with pytest.raises(VerificationFailed) as caught:
            read_payment(ledger.node, ProofOfPayment(*wrong, ledger.chain_id, tx_hash))
        assert caught.value.code == "payment.amount"


def test_a_payment_in_a_token_is_read_from_its_transfers(ledger):
    coin = Coin(ledger)
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(coin.contract.transfer(bob, 1_000), alice)
    tx_hash = paid(ledger, coin.contract.transfer(carol, 700), bob)
    token = coin.contract.address
    fact = read_payment(ledger.node, ProofOfPayment(bob, carol, ledger.chain_id, tx_hash), token)
    assert fact.price == 700
    assert keccak(b"Transfer(address,address,uint256)") == TRANSFER
    with pytest.raises(VerificationFailed) as caught:  # the same transaction pays nothing of the chain's own coin
        read_payment(ledger.node, ProofOfPayment(bob, carol, ledger.chain_id, tx_hash))
    assert caught.value.code == "payment.amount"
    with pytest.raises(VerificationFailed) as caught:  # nor of another token
        read_payment(ledger.node, ProofOfPayment(bob, carol, ledger.chain_id, tx_hash), alice)
    assert caught.value.code == "payment.amount"


def test_a_payment_that_is_not_there_or_elsewhere_is_refused(ledger):
    alice, bob = ledger.accounts[:2]
    with pytest.raises(VerificationFailed) as caught:
        read_payment(ledger.node, ProofOfPayment(alice, bob, ledger.chain_id, b"n" * 32))
    assert caught.value.code == "payment.absent"
    with pytest.raises(InvalidInput) as caught:
        read_payment(ledger.node, ProofOfPayment(alice, bob, ledger.chain_id + 1, b"n" * 32))
    assert caught.value.code == "payment.chain"


def test_a_payment_that_was_undone_is_refused(ledger):
    alice, bob = ledger.accounts[:2]
    token = ledger.deploy(compiled(SPRAY))
    undone = Call(token, keccak(b"fail()")[:4])
    fields = TransactionFields(
        ledger.chain_id, ledger.node.nonce(alice), undone.to, 0, undone.data, 100_000, Fees(10**11, 0)
    )
    tx_hash = ledger.node.send_raw(Account(ledger.secrets[alice]).sign_transaction(fields).raw)
    ledger._nonces[alice] += 1
    with pytest.raises(VerificationFailed) as caught:
        read_payment(ledger.node, ProofOfPayment(alice, bob, ledger.chain_id, tx_hash), token)
    assert caught.value.code == "payment.reverted"


def test_a_payment_to_somebody_else_than_the_agents_wallet_is_refused(ledger, registries, agent):
    alice, bob, carol = ledger.accounts[:3]
    facts = [
        read_payment(ledger.node, ProofOfPayment(bob, to, ledger.chain_id, paid(ledger, Call(to, b"", 5), bob)))
        for to in (alice, carol)
    ]
    check_payee(registries.identity, agent.agent_id, facts[0])
    with pytest.raises(VerificationFailed) as caught:
        check_payee(registries.identity, agent.agent_id, facts[1])
    assert caught.value.code == "payment.payee"
    ledger.send(registries.identity.unset_agent_wallet(agent.agent_id), alice)
    check_payee(registries.identity, agent.agent_id, facts[0])  # it was its wallet then


def test_from_payments_on_chain_to_a_score(ledger, registries, agent, tmp_path):
    """Clients who also buy elsewhere are heard; a ring that paid the agent its own money back is not."""
    alice, bob, carol, shop, ring = *ledger.accounts[:3], *ledger.accounts[4:6]
    facts = []
    bought = [(client, payee, 10**15) for client in (bob, carol) for payee in (shop, alice)]
    for payer, payee, amount in (*bought, (alice, ring, 10**18), (ring, alice, 10**18)):
        tx_hash = paid(ledger, Call(payee, b"", amount), payer)
        facts.append(read_payment(ledger.node, ProofOfPayment(payer, payee, ledger.chain_id, tx_hash)))
    for client, value in ((bob, 20), (carol, 30), (ring, 100)):
        ledger.send(
            registries.reputation.give_feedback(agent.agent_id, value, 0, "starred", "", "", "", bytes(32)), client
        )
    four = (registries.identity, registries.reputation, registries.validation, registries.credentials)
    index = Index(tmp_path / "index.db", ledger.node, [projection(*(one.address for one in four))])
    index.sync()
    directory = Directory(index)
    ratings = directory.ratings(agent.agent_id)
    payments = in_units(facts, Fraction(1))
    own = {directory.agent(agent.agent_id).owner, directory.agent(agent.agent_id).wallet}
    assert naive_average(ratings) == 500
    assert paid_average(own, ratings, payments) > 990
    score = Trust(payments, [Seed(shop, 10**16)], Terms(prior=0)).score(own, ratings)
    assert 240 <= score.permille <= 260


def test_a_fee_that_somebody_else_paid_does_not_count(ledger):
    coin = Coin(ledger)
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(coin.contract.approve(carol, 100), alice)
    tx_hash = paid(ledger, coin.contract.transfer_from(alice, bob, 100), carol)
    fact = read_payment(ledger.node, ProofOfPayment(alice, bob, ledger.chain_id, tx_hash), coin.contract.address)
    assert (fact.fee_payer, fact.burned_wei > 0) == (carol, True)
    assert in_units([fact], Fraction(1)) == [Payment(alice, bob, 100, 0)]


def test_a_payment_that_is_proved_twice_counts_once_in_one_unit(ledger):
    alice, bob = ledger.accounts[:2]
    proof = ProofOfPayment(alice, bob, ledger.chain_id, paid(ledger, Call(bob, b"", 5), alice))
    fact = read_payment(ledger.node, proof)
    assert in_units([fact, fact], Fraction(1)) == [Payment(alice, bob, 5, fact.burned_wei)]
    assert in_units([fact], Fraction(fact.burned_wei, 3)) == [Payment(alice, bob, 5, 3)]
    with pytest.raises(InvalidInput) as caught:
        in_units([fact], Fraction(0))
    assert caught.value.code == "payment.rate"


SPRAY = """
# pragma version 0.4.3
event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

@external
def spray(receiver: address, times: uint256):
    for _: uint256 in range(times, bound=100):
        log Transfer(sender=msg.sender, receiver=receiver, amount=1)

@external
def fail():
    assert False, "spray: no"
"""


def test_many_transfers_in_one_transaction_share_its_one_fee(ledger):
    alice, bob = ledger.accounts[:2]
    token = ledger.deploy(compiled(SPRAY))
    burned = []
    for times in (1, 100):
        data = keccak(b"spray(address,uint256)")[:4] + encode(["address", "uint256"], [bob, times])
        proof = ProofOfPayment(alice, bob, ledger.chain_id, paid(ledger, Call(token, data), alice))
        fact = read_payment(ledger.node, proof, token)
        assert fact.price == times
        block = ledger.node.block()
        burned.append((fact.burned_wei, block.gas_used * block.base_fee // times))
    assert all(got == expected for got, expected in burned)
    assert burned[1][0] < burned[0][0] / 5
