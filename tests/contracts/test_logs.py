"""Logs, their owners, keys and ends: each rule once kept and once broken."""

from __future__ import annotations

import pytest

from tallystick.chain.bindings import log_anchor as binding
from tallystick.chain.bindings.log_anchor import LogKey, TicketSigner
from tallystick.core.merkle import EMPTY_ROOT

ZERO = "0x" + "00" * 20
KEY, NEXT = b"v" * 32, b"w" * 32
ORIGIN = "example.com/log"
ROOT = b"r" * 32


@pytest.fixture
def logs(ledger, anchor):
    """A log anchor in which the first account owns log 1, the second signs tickets, the third anchors."""
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(anchor.open_log(ORIGIN, KEY, bob, carol), alice)
    return anchor


def test_a_log_opens_empty_and_says_everything(ledger, anchor, events):
    alice, bob, carol = ledger.accounts[:3]
    opened = ledger.send(anchor.open_log(ORIGIN, KEY, bob, carol), alice)
    assert events(opened, binding.EVENTS) == [binding.LogOpened(1, alice, ORIGIN, KEY, bob, carol)]
    assert anchor.log_at(1) == binding.LogState(
        owner=alice,
        pending_owner=ZERO,
        anchorer=carol,
        ticket_signer=bob,
        origin=ORIGIN,
        vkey=KEY,
        key_count=1,
        signer_count=1,
        size=0,
        root=EMPTY_ROOT,
        anchored_at=0,
        retired=False,
        successor=0,
    )
    assert anchor.latest(1) == (0, EMPTY_ROOT, 0)
    assert anchor.key_at(1, 0) == LogKey(KEY, 0, 0, opened.time, 0)
    assert anchor.ticket_signer_at(1, 0) == TicketSigner(bob, opened.time, 0)
    assert (anchor.log_count(), anchor.log_of(alice, ORIGIN), anchor.log_of(bob, ORIGIN)) == (1, 1, 0)


def test_an_opener_opens_an_origin_once_and_another_may_too(ledger, logs, refused):
    alice, bob = ledger.accounts[:2]
    with refused("logs: already open"):
        ledger.send(logs.open_log(ORIGIN, NEXT, ZERO, ZERO), alice)
    ledger.send(logs.open_log(ORIGIN, NEXT, ZERO, ZERO), bob)
    ledger.send(logs.open_log(ORIGIN + "/2", NEXT, ZERO, ZERO), alice)
    assert (logs.log_of(bob, ORIGIN), logs.log_of(alice, ORIGIN + "/2")) == (2, 3)


def test_a_log_needs_an_origin_and_a_key(ledger, anchor, refused):
    alice = ledger.accounts[0]
    with refused("logs: empty origin"):
        ledger.send(anchor.open_log("", KEY, ZERO, ZERO), alice)
    with refused("vkeys: empty key"):
        ledger.send(anchor.open_log(ORIGIN, bytes(32), ZERO, ZERO), alice)


def test_a_log_that_does_not_exist_cannot_be_read(logs, refused):
    for missing in (0, 2, 2**256 - 1):
        for read in (logs.log_at, logs.latest):
            with refused("logs: unknown log"):
                read(missing)
        with refused("vkeys: unknown key"):
            logs.key_at(missing, 0)
        with refused("tickets: unknown signer"):
            logs.ticket_signer_at(missing, 0)
        assert not logs.verify_inclusion(missing, 0, ROOT, [])


# --- owners


def test_a_log_changes_hands_when_the_receiver_takes_it(ledger, logs, refused, events):
    alice, bob, carol = ledger.accounts[:3]
    offered = ledger.send(logs.offer_log(1, bob), alice)
    assert events(offered, binding.EVENTS) == [binding.LogOffered(1, bob)]
    assert (logs.log_at(1).owner, logs.log_at(1).pending_owner) == (alice, bob)
    with refused("logs: not offered"):
        ledger.send(logs.accept_log(1), carol)
    taken = ledger.send(logs.accept_log(1), bob)
    assert events(taken, binding.EVENTS) == [binding.LogTransferred(1, alice, bob)]
    state = logs.log_at(1)
    assert (state.owner, state.pending_owner, state.anchorer, state.ticket_signer) == (bob, ZERO, carol, bob)
    with refused("logs: not offered"):
        ledger.send(logs.accept_log(1), bob)
    with refused("logs: not the owner"):
        ledger.send(logs.set_anchorer(1, alice), alice)


def test_an_offer_can_be_withdrawn(ledger, logs, refused):
    alice, bob = ledger.accounts[:2]
    ledger.send(logs.offer_log(1, bob), alice)
    ledger.send(logs.offer_log(1, ZERO), alice)
    with refused("logs: not offered"):
        ledger.send(logs.accept_log(1), bob)
    with refused("logs: not offered"):
        ledger.call(logs.address, logs.accept_log(1).data)
    with refused("logs: not offered"):
        ledger.call(logs.address, logs.accept_log(2).data)


def test_only_the_owner_governs_a_log(ledger, logs, refused):
    bob, carol = ledger.accounts[1:3]
    for account in (bob, carol, ledger.accounts[3]):
        for call in (
            logs.offer_log(1, account),
            logs.set_anchorer(1, account),
            logs.set_ticket_signer(1, account),
            logs.rotate_key(1, NEXT),
            logs.retire(1, 0),
        ):
            with refused("logs: not the owner"):
                ledger.send(call, account)


# --- keys


def test_a_key_rotates_at_a_size_and_a_time(ledger, logs, events):
    alice, _, carol = ledger.accounts[:3]
    opened = logs.key_at(1, 0).since
    ledger.send(logs.anchor(1, 70, ROOT, []), carol)
    rotated = ledger.send(logs.rotate_key(1, NEXT), alice)
    assert events(rotated, binding.EVENTS) == [binding.LogKeyRotated(1, 1, NEXT, 70)]
    assert logs.key_at(1, 0) == LogKey(KEY, 0, 70, opened, rotated.time)
    assert logs.key_at(1, 1) == LogKey(NEXT, 70, 0, rotated.time, 0)
    assert (logs.log_at(1).vkey, logs.log_at(1).key_count) == (NEXT, 2)


def test_a_key_rotates_to_another_that_is_not_empty(ledger, logs, refused):
    alice = ledger.accounts[0]
    with refused("vkeys: unchanged"):
        ledger.send(logs.rotate_key(1, KEY), alice)
    with refused("vkeys: empty key"):
        ledger.send(logs.rotate_key(1, bytes(32)), alice)
    with refused("vkeys: unknown key"):
        logs.key_at(1, 1)


# --- ends


def test_a_retired_log_never_changes_again(ledger, logs, refused, events):
    alice, bob, carol = ledger.accounts[:3]
    ledger.send(logs.open_log("next", NEXT, ZERO, ZERO), alice)
    ledger.send(logs.anchor(1, 70, ROOT, []), carol)
    ledger.send(logs.offer_log(1, bob), alice)
    ended = ledger.send(logs.retire(1, 2), alice)
    assert events(ended, binding.EVENTS) == [binding.TicketSignerSet(1, ZERO, 1), binding.LogRetired(1, 2, 70)]
    state = logs.log_at(1)
    assert (state.retired, state.successor, state.size, state.root) == (True, 2, 70, ROOT)
    assert (state.anchorer, state.ticket_signer, state.pending_owner) == (ZERO, ZERO, ZERO)
    for account in (alice, bob, carol):
        for call in (
            logs.anchor(1, 71, ROOT, []),
            logs.offer_log(1, account),
            logs.accept_log(1),
            logs.set_anchorer(1, account),
            logs.set_ticket_signer(1, account),
            logs.rotate_key(1, NEXT),
            logs.retire(1, 0),
        ):
            with refused("logs: retired"):
                ledger.send(call, account)
    with refused("logs: retired"):
        ledger.call(logs.address, logs.anchor(1, 71, ROOT, []).data)


def test_a_log_without_a_ticket_signer_retires_without_another_term(ledger, logs, events):
    alice = ledger.accounts[0]
    ledger.send(logs.open_log("next", NEXT, ZERO, ZERO), alice)
    ended = ledger.send(logs.retire(2, 0), alice)
    assert events(ended, binding.EVENTS) == [binding.LogRetired(2, 0, 0)]
    assert (logs.log_at(2).signer_count, logs.log_at(2).successor) == (1, 0)


def test_a_successor_exists_is_another_log_and_is_not_retired(ledger, logs, refused):
    alice = ledger.accounts[0]
    ledger.send(logs.open_log("next", NEXT, ZERO, ZERO), alice)
    for bad in (1, 3, 2**256 - 1):
        with refused("logs: bad successor"):
            ledger.send(logs.retire(1, bad), alice)
    ledger.send(logs.retire(1, 2), alice)
    with refused("logs: bad successor"):  # so no circle can form
        ledger.send(logs.retire(2, 1), alice)
