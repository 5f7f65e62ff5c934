"""Tickets: the contract and Python agree on what is signed, by whom, and whether it still counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.chain.bindings import log_anchor as binding
from tallystick.chain.bindings.log_anchor import TicketSigner
from tallystick.core.eip712 import SECP256K1_ORDER
from tallystick.core.ticket import BATCH_TYPE, BatchPromise, ticket_domain

ZERO = "0x" + "00" * 20


@pytest.fixture(scope="module")
def logs(ledger):
    """A log anchor in which the first account owns log 1 and the second signs its tickets."""
    from tallystick.contracts import artifact

    made = binding.LogAnchor(ledger, ledger.deploy(artifact("LogAnchor").bytecode))
    ledger.send(made.open_log("example.com/log", b"v" * 32, ledger.accounts[1], ZERO), ledger.accounts[0])
    return made


def arguments(promise):
    return (
        promise.log_id,
        promise.first_index,
        promise.count,
        promise.batch_root,
        promise.time_ms,
        promise.signature,
    )


@pytest.fixture
def sign(ledger, logs):
    domain = ticket_domain(ledger.chain_id, logs.address)
    return lambda promise, account: promise.signed(ledger.secrets[account], domain)


promises = st.builds(
    BatchPromise,
    log_id=st.integers(0, 2**256 - 1),
    first_index=st.integers(0, 2**64 - 1),
    count=st.integers(0, 2**32 - 1),
    batch_root=st.binary(min_size=32, max_size=32),
    time_ms=st.integers(0, 2**64 - 1),
)


def test_the_domain_is_the_one_that_python_signs_for(ledger, logs):
    fields, name, version, chain_id, contract, salt, extensions = logs.eip712_domain()
    assert fields == b"\x0f"
    assert (name, version, chain_id, contract) == ("Tallystick Log", "1", ledger.chain_id, logs.address)
    assert (salt, extensions) == (bytes(32), ())


@settings(max_examples=25, deadline=None)
@given(promise=promises)
def test_contract_and_python_compute_one_digest(ledger, logs, promise):
    digest = promise.digest(ticket_domain(ledger.chain_id, logs.address))
    assert logs.ticket_digest(*arguments(promise)[:5]) == digest, BATCH_TYPE


@settings(max_examples=15, deadline=None)
@given(promise=promises, signer=st.integers(0, 7))
def test_the_contract_recovers_who_signed(ledger, logs, promise, signer):
    account = ledger.accounts[signer]
    signed = promise.signed(ledger.secrets[account], ticket_domain(ledger.chain_id, logs.address))
    assert logs.recover_ticket(*arguments(signed)) == account


PROMISE = BatchPromise(log_id=1, first_index=7, count=100, batch_root=b"b" * 32, time_ms=1_700_000_000_123)


def test_a_ticket_of_the_logs_signer_counts_and_of_anybody_else_does_not(ledger, logs, sign):
    alice, bob, carol = ledger.accounts[:3]
    assert logs.is_ticket(*arguments(sign(PROMISE, bob)))
    for account in (alice, carol):
        assert not logs.is_ticket(*arguments(sign(PROMISE, account)))


@pytest.mark.parametrize(
    "change", [{"log_id": 2}, {"first_index": 8}, {"count": 99}, {"batch_root": b"c" * 32}, {"time_ms": 1}]
)
def test_a_changed_ticket_does_not_count(ledger, logs, sign, change):
    assert not logs.is_ticket(*arguments(replace(sign(PROMISE, ledger.accounts[1]), **change)))


def test_a_ticket_for_another_contract_or_chain_does_not_count(ledger, logs):
    secret = ledger.secrets[ledger.accounts[1]]
    for domain in (
        ticket_domain(ledger.chain_id + 1, logs.address),
        ticket_domain(ledger.chain_id, ledger.accounts[5]),
    ):
        assert not logs.is_ticket(*arguments(PROMISE.signed(secret, domain)))


def test_a_signature_has_one_spelling(ledger, logs, sign):
    signed = sign(PROMISE, ledger.accounts[1])
    r, s, v = signed.signature[:32], signed.signature[32:64], signed.signature[64]
    high = (SECP256K1_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    other = {27: 28, 28: 27}[v]
    for bad in (
        r + high + bytes([other]),  # the same signature, s in the upper half
        r + s + bytes([v - 27]),
        r + s + bytes([v + 8]),
        r + s + bytes([other]),
        r + s,
        b"",
        bytes(65),
        bytes(64) + b"\x1b",
        r + bytes(32) + bytes([v]),
    ):
        assert not logs.is_ticket(*arguments(replace(signed, signature=bad)))
    for bad in (r + high + bytes([other]), r + s, b"", bytes(65)):
        assert logs.recover_ticket(*arguments(replace(signed, signature=bad))) == ZERO


def test_terms_follow_one_another_and_their_ends_are_final(ledger, anchor, refused, events):
    alice, bob, carol, dave = ledger.accounts[:4]
    opened = ledger.send(anchor.open_log("example.com/log", b"v" * 32, bob, ZERO), alice)
    first = ledger.send(anchor.set_ticket_signer(1, carol), alice)
    assert events(first, binding.EVENTS) == [binding.TicketSignerSet(1, carol, 1)]
    second = ledger.send(anchor.set_ticket_signer(1, ZERO), alice)
    third = ledger.send(anchor.set_ticket_signer(1, dave), alice)
    assert [anchor.ticket_signer_at(1, index) for index in range(4)] == [
        TicketSigner(bob, opened.time, first.time),
        TicketSigner(carol, first.time, second.time),
        TicketSigner(ZERO, second.time, third.time),
        TicketSigner(dave, third.time, 0),
    ]
    with refused("tickets: unknown signer"):
        anchor.ticket_signer_at(1, 4)
    for used in (bob, carol):
        with refused("tickets: signer already used"):
            ledger.send(anchor.set_ticket_signer(1, used), alice)
    with refused("tickets: unchanged"):
        ledger.send(anchor.set_ticket_signer(1, dave), alice)
    ledger.send(anchor.set_ticket_signer(1, ZERO), alice)
    with refused("tickets: unchanged"):
        ledger.send(anchor.set_ticket_signer(1, ZERO), alice)
    assert anchor.log_at(1).signer_count == 5


def test_a_replaced_signer_is_held_to_what_it_dated_before_and_to_nothing_after(ledger, anchor):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(anchor.open_log("example.com/log", b"v" * 32, bob, ZERO), alice)
    replaced = ledger.send(anchor.set_ticket_signer(1, carol), alice)
    domain = ticket_domain(ledger.chain_id, anchor.address)

    def counts(account, time_ms):
        return anchor.is_ticket(*arguments(replace(PROMISE, time_ms=time_ms).signed(ledger.secrets[account], domain)))

    end = replaced.time * 1_000
    assert counts(bob, end)
    assert not counts(bob, end + 1)
    # The new signer binds itself by any date, also one before its term.
    assert counts(carol, end - 1)
    assert counts(carol, end + 1)


def test_a_retired_log_issues_no_ticket_dated_later(ledger, anchor):
    alice, bob = ledger.accounts[:2]
    ledger.send(anchor.open_log("example.com/log", b"v" * 32, bob, ZERO), alice)
    ended = ledger.send(anchor.retire(1, 0), alice)
    domain = ticket_domain(ledger.chain_id, anchor.address)
    for time_ms, expected in ((ended.time * 1_000, True), (ended.time * 1_000 + 1, False)):
        signed = replace(PROMISE, time_ms=time_ms).signed(ledger.secrets[bob], domain)
        assert anchor.is_ticket(*arguments(signed)) is expected
