"""What a payee takes, what it refuses and why, and what it says under signature."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.agents.channels.payee import Answered, Request
from tallystick.agents.channels.payee_book import Taken
from tallystick.agents.channels.signing import NOBODY, PaidCall, SignedCall, channel_id, domain_of
from tallystick.core.digest import sha256
from tallystick.core.eip712 import Signer
from tallystick.core.errors import Broken, InvalidInput, TallystickError, VerificationFailed
from tallystick.core.limits import CHANNEL_ANSWER_BYTES_MAX, CHANNEL_CALLS_KEPT
from tests.agents.channels.kit import DEPOSIT, PRICE, Pair, operation
from tests.contracts.channel_kit import DELAY, Channels


def code(found):
    assert isinstance(found, TallystickError), found
    return found.code


def signed_by(pair, call, who=None, domain=None):
    key = Signer(pair.secret(who or pair.channels.authorizer))
    return SignedCall.sign(call, domain or pair.channels.domain, key)


def call(pair, number=1, bound=PRICE, max_amount=PRICE, name="an operation"):
    return PaidCall(pair.id, number, operation(name), bound, max_amount)


def test_a_call_is_taken_charged_and_answered_under_the_payees_signature(pair):
    signed = pair.sign()
    taken = pair.take(signed)
    assert taken == Taken(signed.call)
    answered = pair.finish(taken, 70, b"seventy")
    receipt = answered.done.receipt
    assert (receipt.charged, receipt.spent, receipt.answer) == (70, 70, sha256(b"seventy"))
    receipt.check(signed.call, pair.channels.domain, answered.signature, pair.channels.payee)
    assert (pair.account().spent, pair.account().pending, pair.account().highest) == (70, 0, 100)


def test_the_same_call_again_gets_the_same_answer_and_costs_nothing(pair):
    signed = pair.sign()
    answered = pair.finish(pair.take(signed))
    for _ in range(3):
        assert pair.take(signed) == answered
    assert pair.account().spent == PRICE


def test_a_call_that_is_being_worked_on_is_not_taken_twice(pair):
    signed = pair.sign()
    both = pair.payee.take([Request(pair.terms, signed)] * 2)
    assert isinstance(both[0], Taken)
    assert code(both[1]) == "channel.in_work"
    assert code(pair.take(signed)) == "channel.in_work"
    assert pair.account().pending == PRICE


def test_a_voucher_is_not_carried_to_another_operation(pair):
    signed = pair.sign("the one")
    moved = replace(signed, call=replace(signed.call, operation=operation("another")))
    assert code(pair.take(moved)) == "channel.signature"
    pair.finish(pair.take(signed))
    other = signed_by(pair, replace(signed.call, operation=operation("another")))  # by the payer itself
    assert code(pair.take(other)) == "channel.number"


def test_what_another_key_chain_or_contract_signed_is_refused(pair, ledger):
    first = call(pair)
    elsewhere = Channels(ledger).domain
    for found in (
        signed_by(pair, first, pair.channels.stranger),
        signed_by(pair, first, pair.channels.payer),
        signed_by(pair, first, domain=elsewhere),
        signed_by(pair, first, domain=domain_of(ledger.chain_id + 1, pair.channels.address)),
    ):
        assert code(pair.take(found)) == "channel.voucher"
    good = signed_by(pair, first)
    for found in (replace(good, voucher=bytes(65)), replace(good, signature=good.signature[:64] + b"\0")):
        assert code(pair.take(found)) == "eip712.signature"
    assert code(pair.take(replace(good, signature=good.voucher))) == "channel.signature"
    assert pair.account() is None


def test_a_voucher_that_is_known_is_still_compared_byte_for_byte(pair):
    signed, _ = pair.served()
    forged = replace(signed_by(pair, replace(signed.call, number=9)), voucher=bytes(65))
    assert code(pair.take(forged)) == "eip712.signature"


def test_a_voucher_must_cover_what_was_spent_what_is_in_work_and_the_call(pair):
    pair.served()
    assert isinstance(pair.take(signed_by(pair, call(pair, 2, 100, 200))), Taken)
    assert code(pair.take(signed_by(pair, call(pair, 3, 100, 200)))) == "channel.short"  # 100 + 100 + 100
    assert code(pair.take(signed_by(pair, call(pair, 4, 100, 299)))) == "channel.short"
    assert isinstance(pair.take(signed_by(pair, call(pair, 5, 100, 300))), Taken)
    # An older, lower voucher does: the highest covers the call.
    pair.finish(Taken(call(pair, 2, 100, 200)), 40)
    assert isinstance(pair.take(signed_by(pair, call(pair, 6, 60, 250))), Taken)
    assert pair.account().highest == 300


def test_no_voucher_beyond_the_deposit_until_it_is_topped_up(pair):
    pair.take(signed_by(pair, call(pair)))
    high = signed_by(pair, call(pair, 2, 100, DEPOSIT + 1))
    assert code(pair.take(high)) == "channel.over_deposit"
    channels = pair.channels
    channels.send(channels.contract.top_up(pair.terms, 1, value=1), channels.payer)
    assert code(pair.take(high)) == "channel.over_deposit"  # looked at a moment ago
    pair.age(2.1)
    assert isinstance(pair.take(high), Taken)


def test_numbers_that_do_not_fit_are_refused(pair):
    for number, bound, max_amount in ((0, 1, 1), (2**63, 1, 1), (1, 2, 1), (1, 1, 2**128)):
        found = signed_by(pair, call(pair, number, bound, max_amount))
        assert code(pair.take(found)) == "channel.amount"


def test_channels_of_others_and_those_that_empty_too_soon_are_refused(pair, ledger, tmp_path):
    foreign = pair.channels.opened(DEPOSIT, payee=pair.channels.stranger)
    made = PaidCall(channel_id(foreign), 1, operation(), PRICE, PRICE)
    assert code(pair.take(signed_by(pair, made), terms=foreign)) == "channel.payee"
    assert code(pair.take(signed_by(pair, made))) == "channel.terms"
    pair.payee._delay_s_min = DELAY + 1
    assert code(pair.take(pair.sign())) == "channel.delay"


def test_a_channel_that_the_chain_does_not_have_is_refused_until_it_does(pair):
    terms = pair.channels.terms()
    made = signed_by(pair, PaidCall(channel_id(terms), 1, operation(), PRICE, PRICE))
    assert code(pair.take(made, terms=terms)) == "channel.unknown"
    pair.channels.send(pair.channels.opening(terms, DEPOSIT), pair.channels.payer)
    pair.age(2.1)
    assert isinstance(pair.take(made, terms=terms), Taken)


def test_when_the_payer_wants_the_rest_back_no_call_is_taken_and_what_is_owed_can_be_claimed(pair):
    pair.served()
    channels = pair.channels
    channels.send(channels.contract.ask_withdrawal(pair.terms), channels.payer)
    pair.age()
    assert code(pair.take(pair.sign())) == "channel.ending"
    account = pair.account()
    channels.send(
        channels.contract.claim(pair.terms, account.highest, account.spent, account.voucher), channels.stranger
    )
    assert channels.state(pair.terms).claimed == PRICE


def test_a_view_of_half_a_minute_is_within_the_delay(pair):
    """The payer asks for the rest, and the payee serves on for as long as it does not look: nothing is lost by it."""
    pair.served()
    channels = pair.channels
    asked = channels.send(channels.contract.ask_withdrawal(pair.terms), channels.payer)
    pair.served("after")
    account = pair.account()
    claim = channels.contract.claim(pair.terms, account.highest, account.spent, account.voucher)
    ledger = pair.ledger
    ledger.time = asked.time + DELAY - 1
    ledger.send(claim, channels.payee)
    assert channels.state(pair.terms).claimed == 2 * PRICE


def test_a_closed_or_expiring_channel_is_refused(pair, ledger, tmp_path):
    channels = pair.channels
    channels.send(channels.closing(pair.terms, 0), channels.payee)
    assert code(pair.take(pair.sign())) == "channel.closed"
    (tmp_path / "soon").mkdir()
    soon = Pair(ledger, tmp_path / "soon", expires=ledger.node.block().timestamp + 700)
    assert isinstance(soon.take(soon.sign()), Taken)
    soon.channels.wait(100)
    soon.age()
    assert code(soon.take(soon.sign())) == "channel.ending"


def test_a_payer_with_code_and_no_key_is_refused(pair):
    from tests.contracts.kernels import compiled

    owner = pair.ledger.deploy(compiled("# pragma version 0.4.3\n@external\ndef nothing():\n    pass\n"))
    terms = replace(pair.terms, payer=owner, authorizer=NOBODY)
    made = PaidCall(channel_id(terms), 1, operation(), PRICE, PRICE)
    assert code(pair.take(signed_by(pair, made), terms=terms)) == "channel.voucher"


def test_nobody_is_charged_beyond_the_bound_or_for_what_was_not_taken(pair):
    taken = pair.take(pair.sign())
    for cost in (-1, PRICE + 1):
        with pytest.raises(Broken):
            pair.finish(taken, cost)
    pair.finish(taken)
    with pytest.raises(Broken):
        pair.finish(taken)
    with pytest.raises(Broken):
        pair.finish(Taken(call(pair, 7)))
    assert (pair.account().spent, pair.account().pending) == (PRICE, 0)


def test_an_answer_that_is_too_large_is_not_charged(pair):
    taken = pair.take(pair.sign())
    with pytest.raises(InvalidInput, match="too large"):
        pair.finish(taken, PRICE, bytes(CHANNEL_ANSWER_BYTES_MAX + 1))
    assert pair.account().spent == 0


def test_a_failed_handler_costs_nothing_and_says_so_under_signature(pair):
    signed = pair.sign()
    answered = pair.finish(pair.take(signed), 0, b"it failed")
    assert pair.learn(signed, answered) is None
    assert (pair.account().spent, pair.booked().spent, pair.booked().pending) == (0, 0, 0)
    again, _ = pair.served()
    assert again.call.max_amount == PRICE  # the same headroom serves the next call


def test_old_numbers_are_forgotten_and_cannot_come_again(pair, monkeypatch):
    first, _ = pair.served()
    last = CHANNEL_CALLS_KEPT * 2
    pair.finish(pair.take(signed_by(pair, call(pair, last, 100, 200))))
    assert code(pair.take(first)) == "channel.old_number"
    assert code(pair.take(signed_by(pair, call(pair, 5, 100, 300)))) == "channel.old_number"
    assert isinstance(pair.take(signed_by(pair, call(pair, last - 5, 100, 300))), Taken)


def test_one_bad_call_among_many_holds_up_no_other(pair):
    good = [pair.sign(n) for n in range(3)]
    bad = [replace(good[0], signature=bytes(65)), signed_by(pair, call(pair, 50, 100, DEPOSIT + 5))]
    found = pair.payee.take([Request(pair.terms, one) for one in (good[0], bad[0], good[1], bad[1], good[2])])
    assert [isinstance(one, Taken) for one in found] == [True, False, True, False, True]


def test_forged_receipts_are_told_and_change_nothing(pair):
    signed, other = pair.sign("one"), pair.sign("two")
    answered = pair.finish(pair.take(signed), 60)
    receipt = answered.done.receipt
    stranger = Signer(pair.secret(pair.channels.stranger))
    payee = Signer(pair.secret(pair.channels.payee))
    domain = pair.channels.domain
    forged = [
        (signed, replace(receipt, charged=10), answered.signature),
        (signed, receipt, stranger.sign(receipt.digest(domain))),
        (other, receipt, answered.signature),
        (signed, greedy := replace(receipt, charged=PRICE + 1, spent=PRICE + 1), greedy.sign(domain, payee)),
        (signed, odd := replace(receipt, charged=5, spent=4), odd.sign(domain, payee)),
    ]
    faults = pair.payer.learn(pair.id, forged)
    assert all(isinstance(one, VerificationFailed) for one in faults)
    assert (pair.booked().spent, pair.booked().pending) == (0, 2 * PRICE)
    assert pair.learn(signed, answered) is None
    assert isinstance(answered, Answered)
    assert (pair.booked().spent, pair.booked().pending) == (60, PRICE)


def test_strangers_who_name_channels_without_end_do_not_make_us_ask_the_chain_without_end(pair, monkeypatch):
    looks = []
    block = pair.ledger.node.block
    monkeypatch.setattr(pair.ledger.node, "block", lambda *args: looks.append(1) or block(*args))
    pair.take(pair.sign("known"))
    told = []
    for _ in range(70):
        terms = pair.channels.terms()
        made = signed_by(pair, PaidCall(channel_id(terms), 1, operation(), PRICE, PRICE))
        told.append(code(pair.take(made, terms=terms)))
    assert set(told) == {"channel.unknown", "channel.looks"}
    assert told[-1] == "channel.looks"
    assert len(looks) < 70 + 60  # terms are made at the newest block's time: that asks too
    assert isinstance(pair.take(pair.sign("still served")), Taken)
    pair.age(1.0)
    assert code(pair.take(made, terms=terms)) == "channel.unknown"
