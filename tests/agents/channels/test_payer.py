"""What a payer signs and never signs, and what is left to it when something ends in the middle."""

from __future__ import annotations

import pytest

from tallystick.agents.channels.payee_book import Taken
from tallystick.agents.channels.payer import Payer
from tallystick.agents.channels.signing import SignedCall
from tallystick.core.errors import InvalidInput
from tests.agents.channels.kit import DEPOSIT, PRICE, Pair, operation
from tests.contracts.channel_kit import Channels


def test_vouchers_grow_by_what_each_call_may_cost_and_shrink_by_what_it_did_not(pair):
    one, _ = pair.served("one", 100, 40)
    two, _ = pair.served("two", 100, 100)
    assert (one.call.max_amount, two.call.max_amount) == (100, 140)
    booked = pair.booked()
    assert (booked.spent, booked.pending, booked.highest, booked.at_risk) == (140, 0, 140, 0)


def test_calls_in_flight_are_all_covered_in_whatever_order_they_arrive(pair):
    calls = [pair.sign(n) for n in range(5)]
    assert [one.call.max_amount for one in calls] == [100, 200, 300, 400, 500]
    taken = [pair.take(one) for one in reversed(calls)]
    assert all(isinstance(one, Taken) for one in taken)
    assert pair.booked().at_risk == 500


def test_never_over_the_deposit(pair):
    found = pair.payer.sign(
        pair.id, [(operation("big"), DEPOSIT - 50), (operation("more"), 51), (operation("fits"), 50)]
    )
    assert [isinstance(one, SignedCall) for one in found] == [True, False, True]
    assert found[1].code == "channel.exhausted"
    assert pair.booked().highest == DEPOSIT
    (none,) = pair.payer.sign(pair.id, [(operation(), 1)])
    assert isinstance(none, InvalidInput)
    pair.payer.book.add(pair.terms, pair.ledger.chain_id, pair.channels.address, DEPOSIT + 10)  # topped up
    assert pair.sign(bound=10).call.max_amount == DEPOSIT + 10


def test_a_step_ahead_makes_one_voucher_serve_many_calls_and_is_the_most_that_is_at_risk(ledger, tmp_path):
    pair = Pair(ledger, tmp_path, step=1_000)
    signed = [pair.served(n)[0] for n in range(11)]
    assert {one.call.max_amount for one in signed} == {1_100}
    assert len({one.voucher for one in signed}) == 1
    assert pair.served("next")[0].call.max_amount == 2_200
    assert pair.booked().at_risk == 1_000
    for n in range(100):
        (found,) = pair.payer.sign(pair.id, [(operation(n), PRICE)])
        if isinstance(found, InvalidInput):
            break
    assert pair.booked().highest == DEPOSIT


def test_after_a_crash_the_very_same_bytes_are_repeated_and_cost_nothing_more(pair):
    signed = pair.sign()
    answered = pair.finish(pair.take(signed))  # and the answer was lost
    pair.payer.book.close()
    pair.payer = pair.open_payer()
    (again,) = pair.payer.repeat(pair.id)
    assert again == signed
    assert pair.take(again) == answered
    assert pair.learn(again, answered) is None
    assert pair.payer.repeat(pair.id) == []
    assert pair.account().spent == pair.booked().spent == PRICE


def test_a_receipt_counts_once(pair):
    signed, answered = pair.served()
    assert pair.learn(signed, answered) is None
    assert (pair.booked().spent, pair.booked().pending) == (PRICE, 0)


def test_what_is_given_up_frees_its_bound_and_its_receipt_still_counts(pair):
    signed = pair.sign()
    answered = pair.finish(pair.take(signed))
    pair.payer.book.give_up(pair.id, signed.call.number)
    pair.payer.book.give_up(pair.id, signed.call.number)
    assert (pair.booked().pending, pair.booked().at_risk) == (0, PRICE)
    assert pair.learn(signed, answered) is None
    assert (pair.booked().spent, pair.booked().pending, pair.booked().at_risk) == (PRICE, 0, 0)


def test_several_processes_share_a_payers_book_and_no_number_is_used_twice(pair):
    other = pair.open_payer()
    calls = []
    for n in range(6):
        calls += (pair.payer if n % 2 else other).sign(pair.id, [(operation(n), PRICE)])
    assert [one.call.number for one in calls] == [1, 2, 3, 4, 5, 6]
    assert [one.call.max_amount for one in calls] == [100, 200, 300, 400, 500, 600]


def test_another_key_and_another_channel_sign_nothing(pair):
    stranger = Payer(pair.payer.book, pair.secret(pair.channels.stranger))
    with pytest.raises(InvalidInput, match="another key"):
        stranger.sign(pair.id, [(operation(), 1)])
    with pytest.raises(InvalidInput, match="not in this book"):
        pair.payer.sign(b"x" * 32, [(operation(), 1)])


def test_a_payer_without_an_authorizer_signs_itself(ledger, tmp_path):
    from tallystick.agents.channels.signing import NOBODY

    pair = Pair(ledger, tmp_path, authorizer=NOBODY)
    pair.payer = Payer(pair.payer.book, pair.secret(Channels(ledger).payer))
    pair.served()
    assert pair.account().spent == PRICE


def test_the_receipt_that_owns_to_most_is_kept_as_proof_of_what_may_be_claimed(pair):
    assert pair.payer.book.proof(pair.id) is None
    first, _ = pair.served("one", 100, 40)
    _, last = pair.served("two", 100, 60)
    assert pair.learn(first, pair.take(first)) is None
    receipt, signature = pair.payer.book.proof(pair.id)
    assert (receipt, signature) == (last.done.receipt, last.signature)
    assert receipt.spent == 100
    receipt.check(pair.sign().call.__class__(pair.id, receipt.number, receipt.operation, 100, 100),
                  pair.channels.domain, signature, pair.channels.payee)  # fmt: skip
