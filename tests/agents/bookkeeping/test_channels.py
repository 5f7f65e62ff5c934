"""Payment channels in a ledger: deposits are no spend, claims are, and what vouchers promise is pending."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace

import pytest

from tallystick.agents.bookkeeping.books import Books
from tallystick.agents.bookkeeping.facts import read_facts
from tallystick.agents.bookkeeping.ledger import reconcile
from tallystick.agents.bookkeeping.lines import Kind, Period, Purse, State
from tallystick.agents.channels.payer_book import PayerBook
from tallystick.agents.channels.signing import channel_id
from tests.agents.bookkeeping.kit import total
from tests.agents.channels.kit import DEPOSIT, PRICE, Pair
from tests.contracts.channel_kit import Channels


def pair_in_a_token(ledger, folder):
    """Return a pair whose channel is in a token, and which knows where it began."""
    channels = Channels.of_kind(ledger, "ordinary")
    begun = ledger.node.block_number() + 1
    made = Pair(ledger, folder, channels=channels)
    made.begun = begun
    return made


@pytest.fixture
def pair(ledger, tmp_path):
    return pair_in_a_token(ledger, tmp_path)


def ledger_of(pair, *accounts, **changes):
    paid = tuple(pair.payee.book.accounts())
    said = {
        "own": frozenset(accounts),
        "paying": tuple(pair.payer.book.channels()),
        "paid": paid,
        "contract": {one.id: pair.channels.address for one in paid},
    }
    books = Books(**{**said, **changes})
    node, coin = pair.ledger.node, pair.channels.coin.address
    facts = read_facts(node, books, frozenset(accounts), [coin], [pair.channels.address], pair.begun, node.block())
    return reconcile(facts, books, Period())


def claim(pair, amount, **changes):
    pair.channels.send(pair.channels.claiming(pair.terms, amount, **changes), pair.channels.payee)


def tokens(found, pair):
    return [one for one in found.lines if one.token == pair.channels.coin.address]


def gaps(found, pair):
    return [one for one in tokens(found, pair) if one.is_gap]


def test_a_deposit_is_no_spend_and_what_is_left_of_it_is_still_the_payers(pair):
    found = ledger_of(pair, pair.channels.payer)
    (line,) = tokens(found, pair)
    assert (line.kind, line.state, line.purse, line.book) == (
        Kind.DEPOSIT, State.RECONCILED, Purse.BALANCE, "channels paying",
    )  # fmt: skip
    sums = total(found, pair.channels.coin.address)
    assert (sums.spend, sums.deposited, sums.channels_closing, sums.difference) == (0, DEPOSIT, DEPOSIT, 0)


def test_what_is_charged_is_pending_on_both_sides_until_it_is_claimed(pair):
    pair.served("one")
    pair.served("two")
    coin = pair.channels.coin.address
    assert total(ledger_of(pair, pair.channels.payer), coin).pending_out == 2 * PRICE
    assert total(ledger_of(pair, pair.channels.payee), coin).pending_in == 2 * PRICE
    claim(pair, 2 * PRICE)
    mine, theirs = ledger_of(pair, pair.channels.payer), ledger_of(pair, pair.channels.payee)
    assert (total(mine, coin).pending_out, total(mine, coin).spend) == (0, 2 * PRICE)
    assert (total(theirs, coin).pending_in, total(theirs, coin).income) == (0, 2 * PRICE)
    assert not gaps(mine, pair) + gaps(theirs, pair)
    assert (total(mine, coin).difference, total(theirs, coin).difference) == (0, 0)


def test_a_closed_channel_gives_back_the_rest_and_holds_nothing(pair):
    pair.served("one")
    pair.channels.send(pair.channels.closing(pair.terms, PRICE), pair.channels.payee)
    found = ledger_of(pair, pair.channels.payer)
    sums = total(found, pair.channels.coin.address)
    assert (sums.deposited, sums.returned, sums.spend) == (DEPOSIT, DEPOSIT - PRICE, PRICE)
    assert (sums.channels_closing, sums.pending_out, sums.difference) == (0, 0, 0)
    assert not gaps(found, pair)


def test_many_claims_in_one_transfer_agree_with_it_as_a_sum(pair):
    other = pair.channels.opened(DEPOSIT)
    pair.payer.book.add(other, pair.ledger.chain_id, pair.channels.address, DEPOSIT)
    from tallystick.chain.bindings.payment_channels import Claim

    claims = [Claim(one, 30, 30, pair.channels.signed(one, 30)) for one in (pair.terms, other)]
    pair.channels.send(pair.channels.contract.claim_many(pair.channels.payee, claims), pair.channels.payee)
    accounts = (pair.channels.payer, pair.channels.payee)
    found = ledger_of(pair, *accounts, contract={})
    came = [one for one in tokens(found, pair) if one.kind is Kind.CLAIM and not one.is_out and one.has_moved]
    assert ([one.amount for one in came], {one.transaction for one in came}) == ([30, 30], {came[0].transaction})
    assert total(found, pair.channels.coin.address).difference == 0
    assert State.DISPUTED not in {one.state for one in came}
    sums = total(found, pair.channels.coin.address)
    assert (sums.income, sums.spend) == (0, 0), "both sides are accounts of this ledger"


def test_a_channel_that_no_book_knows_is_spend_that_no_book_knows(pair, tmp_path):
    found = ledger_of(pair, pair.channels.payer, paying=())
    assert [(one.kind, one.state) for one in gaps(found, pair)] == [(Kind.DEPOSIT, State.UNBOOKED)]


def test_a_claim_beyond_what_the_payer_signed_is_disputed(pair):
    """The voucher's key leaked: the payee's claim is good on chain, and the book has signed no such voucher."""
    pair.served("one")
    claim(pair, 5 * PRICE)
    (line,) = gaps(ledger_of(pair, pair.channels.payer), pair)
    assert (line.state, line.amount) == (State.DISPUTED, 4 * PRICE)
    assert "the highest voucher in the book" in line.reason


def test_a_claim_beyond_the_receipts_is_disputed(pair):
    pair.served("one")
    signed = pair.sign("two")
    pair.payer.book.give_up(pair.id, signed.call.number)
    claim(pair, 2 * PRICE)
    (line,) = gaps(ledger_of(pair, pair.channels.payer), pair)
    assert (line.amount, "receipts say" in line.reason) == (PRICE, True)


def test_a_payee_that_claimed_more_than_it_charged_is_told(pair):
    pair.served("one")
    claim(pair, 3 * PRICE)
    (line,) = gaps(ledger_of(pair, pair.channels.payee), pair)
    assert (line.state, line.amount, line.is_out) == (State.DISPUTED, 2 * PRICE, False)


def test_what_was_charged_and_not_claimed_before_the_end_is_lost_and_named(pair):
    pair.served("one")
    now = pair.channels.contract
    pair.channels.send(now.close(pair.terms, 0, 0, b""), pair.channels.payee)
    (line,) = gaps(ledger_of(pair, pair.channels.payee), pair)
    assert (line.state, line.amount) == (State.MISSING, PRICE)
    assert "closed without it" in line.reason


def test_a_book_that_says_more_was_claimed_than_the_chain_does_is_told(pair):
    pair.served("one")
    pair.payee.book.record_claimed(pair.id, PRICE, 1.0)
    found = gaps(ledger_of(pair, pair.channels.payee), pair)
    assert [(one.state, one.amount) for one in found] == [(State.MISSING, PRICE)]


def test_a_channel_in_the_book_that_the_chain_does_not_have_is_told(pair, tmp_path):
    book = PayerBook(tmp_path / "other.db")
    book.add(pair.channels.terms(), pair.ledger.chain_id, pair.channels.address, DEPOSIT)
    found = ledger_of(pair, pair.channels.payer, paying=tuple(book.channels()))
    assert "the chain has no such channel" in {one.reason for one in found.gaps}


def test_a_tampered_highest_voucher_shows_as_a_dispute(pair):
    pair.served("one")
    claim(pair, PRICE)
    with sqlite3.connect(pair.folder / "payer.db") as db:
        db.execute("UPDATE channels SET highest = '1'")
    assert [one.state for one in gaps(ledger_of(pair, pair.channels.payer), pair)] == [State.DISPUTED]


def test_the_native_coin_of_a_channel_is_followed_by_the_contracts_events(ledger, tmp_path):
    pair = Pair(ledger, tmp_path)
    pair.served("one")
    claim(pair, PRICE)
    coin = "0x" + "00" * 20
    books = Books(own=frozenset(), paying=tuple(pair.payer.book.channels()))
    first = ledger.node.block_number() - 2
    facts = read_facts(ledger.node, books, frozenset({pair.channels.payer}), [], [pair.channels.address], first,
                       ledger.node.block())  # fmt: skip
    found = reconcile(facts, books, Period())
    sums = total(found, coin)
    assert (sums.deposited, sums.spend, sums.difference) == (DEPOSIT, PRICE, 0)
    assert channel_id(pair.terms).hex() in {one.reference for one in found.lines}


def test_events_and_transfers_that_do_not_agree_are_disputed(pair):
    facts_node = pair.ledger.node
    coin = pair.channels.coin.address

    def logs(addresses=None, topics=(), **options):
        found = facts_node.logs(addresses, topics, **options)
        return [one for one in found if one.address != coin]

    from tests.agents.bookkeeping.kit import Liar

    lying = SimpleNamespace(**{**pair.__dict__, "ledger": SimpleNamespace(node=Liar(facts_node, logs=logs))})
    found = ledger_of(lying, pair.channels.payer)
    (line,) = [one for one in found.gaps if one.kind is Kind.DEPOSIT]
    assert (line.state, "do not agree" in line.reason) == (State.DISPUTED, True)
