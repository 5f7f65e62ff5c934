"""When a payee settles, and that the contract takes what it brings."""

from __future__ import annotations

from dataclasses import replace

from tallystick.agents.channels.settling import ENDING, ENOUGH, LONG, SettlePolicy, batches, find_due
from tallystick.agents.channels.standing import Standing
from tests.agents.channels.kit import DEPOSIT, PRICE
from tests.contracts.channel_kit import DELAY

OPEN = Standing(True, DEPOSIT, 0, 0, False, 1_000)
POLICY = SettlePolicy(amount=500, after_s=3_600, ahead_s=1_200)


def due(pair, standing=OPEN, now_s=0.0, chain_s=1_000, **account):
    return find_due([(replace(pair.account(), **account), standing)], POLICY, now_s, chain_s)


def test_it_is_settled_when_enough_is_owed_or_long_enough_or_the_channel_ends(pair):
    pair.served()
    assert due(pair, spent=0) == []
    assert due(pair) == []
    (enough,) = due(pair, spent=500, highest=600)
    assert (enough.why, enough.total, enough.owed) == (ENOUGH, 500, 500)
    (long,) = due(pair, now_s=3_600)
    assert (long.why, long.total) == (LONG, PRICE)
    assert due(pair, now_s=3_600, settled_s=1.0) == []
    (closing,) = due(pair, standing=replace(OPEN, closes=10**6))
    assert closing.why == ENDING
    (expiring,) = due(pair, chain_s=pair.terms.expires - 1_200)
    assert expiring.why == ENDING
    assert due(pair, chain_s=pair.terms.expires - 1_201) == []


def test_what_was_paid_already_or_is_closed_is_not_settled(pair):
    pair.served()
    assert due(pair, replace(OPEN, claimed=PRICE, closes=5)) == []
    assert due(pair, replace(OPEN, claimed=PRICE + 50, closes=5)) == []
    assert due(pair, replace(OPEN, is_closed=True), now_s=3_600) == []


def test_never_more_than_voucher_and_deposit_give(pair):
    pair.served()
    (one,) = due(pair, spent=900, highest=700)
    assert one.total == 700
    (one,) = due(pair, replace(OPEN, deposit=650), spent=900, highest=700)
    assert one.total == 650


def test_what_ends_comes_first_then_what_is_owed_most(pair):
    pair.served()
    account = pair.account()
    accounts = [
        (replace(account, spent=500, highest=500), OPEN),
        (replace(account, spent=800, highest=800), OPEN),
        (account, replace(OPEN, closes=5)),
    ]
    assert [one.owed for one in find_due(accounts, POLICY, 0.0, 1_000)] == [100, 800, 500]
    assert [len(one) for one in batches(find_due(accounts, POLICY, 0.0, 1_000) * 50)] == [64, 64, 22]


def test_the_contract_takes_what_is_due(pair):
    for n in range(6):
        pair.served(n)
    channels = pair.channels
    (one,) = due(pair)
    channels.send(channels.contract.claim_many(channels.payee, [one.claim()]), channels.stranger)
    assert channels.state(pair.terms).claimed == 600
    pair.payee.book.record_claimed(pair.id, 600, 5.0)
    assert (pair.account().claimed, pair.account().settled_s) == (600, 5.0)
    channels.send(channels.contract.ask_withdrawal(pair.terms), channels.payer)
    channels.wait(DELAY)
    before = channels.held()
    channels.send(channels.contract.withdraw(pair.terms), channels.payer)
    assert before - channels.held() == DEPOSIT - 600
