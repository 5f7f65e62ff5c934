"""Payment channels, verb by verb: what each does, who may, and every reason for which it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick.agents.channels.signing import NOBODY, channel_id, domain_of, voucher_digest
from tallystick.chain.bindings.payment_channels import (
    Channel,
    Claim,
    Claimed,
    Closed,
    Opened,
    Refunded,
    ToppedUp,
    WithdrawalAsked,
)
from tallystick.chain.calls import Call
from tallystick.core.errors import Rejected
from tests.contracts.channel_kit import DELAY, LIFE, Channels
from tests.contracts.coin_kit import high_s
from tests.contracts.token_kit import make_token

BOTH = pytest.mark.parametrize("kind", ["native", "ordinary"])


@pytest.fixture
def channels(ledger):
    return Channels(ledger, make_token(ledger))


# --- deposits


@BOTH
def test_a_channel_is_opened_with_a_deposit_and_is_known_by_the_hash_of_its_terms(ledger, kind):
    channels = Channels.of_kind(ledger, kind)
    terms = channels.terms()
    mined = channels.send(channels.opening(terms, 1_000), channels.payer)
    assert channels.events(mined) == [Opened(channel_id(terms), terms.payer, terms.payee, terms, 1_000)]
    assert channels.contract.id_of(terms) == channel_id(terms)
    assert channels.state(terms) == Channel(terms.payer, 1_000, 0, 0, False)
    assert channels.held() == 1_000


def test_of_an_unknown_channel_all_is_zero(channels):
    assert channels.state(channels.terms()) == Channel(NOBODY, 0, 0, 0, False)


def test_what_is_no_channel_is_not_opened(channels, refused):
    def opening(amount=10, who=None, **changes):
        terms = channels.terms(**changes)
        with_value = channels.contract.open(terms, amount, value=0)
        return channels.send(with_value, who or channels.payer)

    with refused("deposits: not the payer"):
        opening(who=channels.stranger)
    with refused("deposits: no payee"):
        opening(payee=NOBODY)
    for delay in (0, 899, 2_592_001, 2**32 - 1):
        with refused("deposits: bad delay"):
            opening(withdraw_delay_s=delay)
    with refused("deposits: already expired"):
        opening(expires=channels.now())
    with refused("deposits: no amount"):
        opening(amount=0)
    with refused("coins: transfer refused"):
        opening(amount=2**127)
    for delay in (900, 2_592_000):
        opening(withdraw_delay_s=delay)
    terms = channels.opened()
    with refused("deposits: already opened"):
        channels.send(channels.opening(terms, 5), channels.payer)
    with refused("coins: wrong value"):
        channels.send(channels.contract.open(channels.terms(), 5, value=5), channels.payer)


def test_a_closed_channel_is_never_opened_again(channels, refused):
    terms = channels.opened()
    channels.send(channels.closing(terms, 10), channels.payee)
    with refused("deposits: already opened"):
        channels.send(channels.opening(terms, 5), channels.payer)


@BOTH
def test_the_payer_tops_up_and_the_payee_refunds(ledger, refused, kind):
    channels = Channels.of_kind(ledger, kind)
    terms, other = channels.opened(1_000), channels.terms()
    more, back = channels.contract.top_up, channels.contract.refund
    mined = channels.send(more(terms, 50, value=channels.value(50)), channels.payer)
    assert channels.events(mined) == [ToppedUp(channel_id(terms), terms.payer, terms.payee, 50, 1_050)]
    channels.send(channels.claiming(terms, 700), channels.stranger)
    mined = channels.send(back(terms, 30, value=channels.value(30)), channels.payee)
    assert channels.events(mined) == [Refunded(channel_id(terms), terms.payer, terms.payee, 30, 1_080)]
    assert channels.state(terms) == Channel(terms.payer, 1_080, 700, 0, False)
    assert channels.held() == 380
    for who in (channels.payee, channels.authorizer, channels.stranger):
        with refused("deposits: not the payer"):
            channels.send(more(terms, 1, value=channels.value(1)), who)
    for who in (channels.payer, channels.authorizer, channels.stranger):
        with refused("deposits: not the payee"):
            channels.send(back(terms, 1, value=channels.value(1)), who)
    for verb, who in ((more, channels.payer), (back, channels.payee)):
        with refused("deposits: no amount"):
            channels.send(verb(terms, 0, value=0), who)
        with refused("books: unknown channel"):
            channels.send(verb(other, 1, value=channels.value(1)), who)
    channels.send(channels.closing(terms, 700), channels.payee)
    for verb, who in ((more, channels.payer), (back, channels.payee)):
        with refused("books: closed"):
            channels.send(verb(terms, 1, value=channels.value(1)), who)


def test_a_deposit_stays_within_its_word(channels, refused):
    channels.send(channels.coin.mint(channels.payer, 2**128), channels.payer)
    channels.send(channels.coin.approve(channels.address, 2**256 - 1), channels.payer)
    terms = channels.opened(2**128 - 2)
    with refused("books: too much"):
        channels.send(channels.contract.top_up(terms, 2, value=0), channels.payer)
    channels.send(channels.contract.top_up(terms, 1, value=0), channels.payer)
    channels.send(channels.claiming(terms, 2**128 - 1), channels.stranger)
    assert channels.state(terms) == Channel(terms.payer, 2**128 - 1, 2**128 - 1, 0, False)
    with refused("books: too much"):
        channels.send(channels.contract.refund(terms, 1, value=0), channels.payee)


# --- claims


@BOTH
def test_anybody_brings_a_voucher_and_the_payee_gets_the_difference(ledger, kind):
    channels = Channels.of_kind(ledger, kind)
    terms = channels.opened(1_000)
    before = channels.balance(channels.payee)
    mined = channels.send(channels.claiming(terms, 300), channels.stranger)
    assert channels.events(mined) == [Claimed(channel_id(terms), terms.payer, terms.payee, 300, 300)]
    mined = channels.send(channels.claiming(terms, 1_000, 450), channels.stranger)
    assert channels.events(mined) == [Claimed(channel_id(terms), terms.payer, terms.payee, 150, 450)]
    assert channels.balance(channels.payee) - before == 450
    assert (channels.held(), channels.state(terms).claimed) == (550, 450)


def test_a_voucher_counts_once_and_an_older_one_no_more(channels, refused):
    terms = channels.opened(1_000)
    channels.send(channels.claiming(terms, 300), channels.payee)
    for amount in (300, 299, 1, 0):
        with refused("claims: nothing new"):
            channels.send(channels.claiming(terms, amount), channels.payee)


def test_nobody_claims_beyond_the_voucher_or_beyond_the_deposit(channels, refused):
    terms = channels.opened(1_000)
    with refused("claims: beyond the voucher"):
        channels.send(channels.claiming(terms, 300, 301), channels.payee)
    with refused("claims: beyond the deposit"):
        channels.send(channels.claiming(terms, 1_001), channels.payee)
    channels.send(channels.claiming(terms, 2**128 - 1, 1_000), channels.payee)
    assert channels.held() == 0


def test_a_voucher_of_another_channel_contract_chain_or_key_is_not_signed(ledger, channels, refused):
    terms, other = channels.opened(1_000), channels.opened(1_000)
    elsewhere = Channels(ledger, channels.coin)
    forged = [
        channels.signed(other, 300),
        channels.signed(terms, 301),
        channels.signed(terms, 300, channels.stranger),
        channels.signed(terms, 300, channels.payer),  # it named a key: its own word is no voucher
        channels.signed(terms, 300, domain=elsewhere.domain),
        channels.signed(terms, 300, domain=domain_of(ledger.chain_id + 1, channels.address)),
        high_s(channels.signed(terms, 300)),
        channels.signed(terms, 300) + b"\0",
        channels.signed(terms, 300)[:64],
        b"",
    ]
    for signature in forged:
        with refused("claims: not signed"):
            channels.send(channels.contract.claim(terms, 300, 300, signature), channels.payee)
    with refused("books: unknown channel"):  # a term changed is another channel
        channels.send(channels.claiming(replace(terms, authorizer=channels.payee), 300), channels.payee)
    assert channels.held() == 2_000


def test_without_an_authorizer_the_payers_key_signs(channels, refused):
    terms = channels.opened(1_000, authorizer=NOBODY)
    channels.send(channels.claiming(terms, 10), channels.payee)
    with refused("claims: not signed"):
        channels.send(
            channels.claiming(terms, 20, signature=channels.signed(terms, 20, channels.authorizer)), channels.payee
        )


def test_the_digest_is_the_one_that_python_signs(channels):
    terms = channels.terms()
    for amount in (0, 1, 2**128 - 1):
        assert channels.contract.voucher_digest(channel_id(terms), amount) == voucher_digest(
            channels.domain, channel_id(terms), amount
        )
    assert channels.contract.eip712_domain()[1:5] == (
        channels.domain.name,
        "1",
        channels.ledger.chain_id,
        channels.address,
    )


@BOTH
def test_many_channels_are_settled_in_one_transaction(ledger, kind):
    channels = Channels.of_kind(ledger, kind)
    made = [channels.opened(1_000) for _ in range(5)]
    claims = [Claim(one, 100 + n, 100 + n, channels.signed(one, 100 + n)) for n, one in enumerate(made)]
    before = channels.balance(channels.payee)
    mined = channels.send(channels.contract.claim_many(channels.payee, claims), channels.stranger)
    assert channels.events(mined) == [
        Claimed(channel_id(one), one.payer, one.payee, 100 + n, 100 + n) for n, one in enumerate(made)
    ]
    assert channels.balance(channels.payee) - before == 510
    assert channels.held() == 4_490


def test_a_claim_that_does_not_count_holds_up_no_other(channels, refused):
    """A payer could otherwise spoil a batch by bringing one of its vouchers first."""
    good, spent, closed = (channels.opened(1_000) for _ in range(3))
    channels.send(channels.claiming(spent, 100), channels.stranger)
    channels.send(channels.closing(closed, 0), channels.payee)
    foreign = channels.opened(1_000, payee=channels.stranger)
    bad = [
        Claim(spent, 100, 100, channels.signed(spent, 100)),
        Claim(closed, 100, 100, channels.signed(closed, 100)),
        Claim(foreign, 100, 100, channels.signed(foreign, 100)),
        Claim(channels.terms(), 100, 100, b"\1" * 65),
        Claim(good, 100, 101, channels.signed(good, 100)),
        Claim(good, 1_001, 1_001, channels.signed(good, 1_001)),
        Claim(good, 100, 100, channels.signed(good, 100, channels.stranger)),
        Claim(good, 100, 100, b""),
    ]
    with refused("claims: nothing new"):
        channels.send(channels.contract.claim_many(channels.payee, bad), channels.payee)
    with refused("claims: nothing new"):
        channels.send(channels.contract.claim_many(channels.payee, []), channels.payee)
    once = Claim(good, 100, 100, channels.signed(good, 100))
    mined = channels.send(channels.contract.claim_many(channels.payee, [*bad, once, once]), channels.payee)
    assert channels.events(mined) == [Claimed(channel_id(good), good.payer, good.payee, 100, 100)]


# --- endings


@BOTH
def test_the_payee_closes_at_once_and_each_gets_its_own(ledger, kind):
    channels = Channels.of_kind(ledger, kind)
    terms = channels.opened(1_000)
    channels.send(channels.claiming(terms, 100), channels.stranger)
    mined = channels.send(channels.closing(terms, 900, 400), channels.payee)
    assert channels.events(mined) == [
        Claimed(channel_id(terms), terms.payer, terms.payee, 300, 400),
        Closed(channel_id(terms), terms.payer, terms.payee, 400, 600),
    ]
    assert (channels.held(), channels.state(terms).is_closed) == (0, True)


def test_closing_without_a_new_claim_needs_no_voucher(channels, refused):
    terms, full = channels.opened(1_000), channels.opened(500)
    before = channels.balance(channels.payer)
    channels.send(channels.contract.close(terms, 0, 0, b""), channels.payee)
    assert channels.balance(channels.payer) - before == 1_000
    channels.send(channels.closing(full, 500), channels.payee)  # nothing is left to go back
    assert channels.held() == 0
    for who in (channels.payer, channels.authorizer, channels.stranger):
        with refused("endings: not the payee"):
            channels.send(channels.contract.close(terms, 0, 0, b""), who)
    with refused("books: closed"):
        channels.send(channels.contract.close(terms, 0, 0, b""), channels.payee)


def test_closing_takes_no_more_than_a_voucher_gives(channels, refused):
    terms = channels.opened(1_000)
    channels.send(channels.claiming(terms, 100), channels.payee)
    with refused("claims: beyond the voucher"):
        channels.send(channels.closing(terms, 200, 201), channels.payee)
    with refused("claims: nothing new"):
        channels.send(channels.closing(terms, 50), channels.payee)
    with refused("claims: not signed"):
        channels.send(
            channels.contract.close(terms, 200, 200, channels.signed(terms, 200, channels.payee)), channels.payee
        )
    with refused("books: unknown channel"):
        channels.send(channels.contract.close(channels.terms(), 0, 0, b""), channels.payee)


@BOTH
def test_the_payer_waits_out_the_delay_and_then_anybody_sends_the_rest_back(ledger, refused, kind):
    channels = Channels.of_kind(ledger, kind)
    terms = channels.opened(1_000)
    with refused("endings: too early"):
        channels.send(channels.contract.withdraw(terms), channels.payer)
    mined = channels.send(channels.contract.ask_withdrawal(terms), channels.payer)
    closes = mined.time + DELAY
    assert channels.events(mined) == [WithdrawalAsked(channel_id(terms), terms.payer, terms.payee, closes)]
    assert channels.state(terms) == Channel(terms.payer, 1_000, 0, closes, False)
    channels.send(channels.claiming(terms, 250), channels.payee)  # the voucher still counts
    channels.ledger.time = closes - 1
    with refused("endings: too early"):
        channels.ledger.send(channels.contract.withdraw(terms), channels.payer)
    channels.wait(closes - channels.now())
    mined = channels.send(channels.contract.withdraw(terms), channels.stranger)
    assert channels.events(mined) == [Closed(channel_id(terms), terms.payer, terms.payee, 250, 750)]
    assert channels.held() == 0
    for call in (channels.contract.withdraw(terms), channels.claiming(terms, 300)):
        with refused("books: closed"):
            channels.send(call, channels.payee)


def test_who_may_ask_for_the_rest_and_when(channels, refused):
    terms = channels.opened(1_000)
    for who in (channels.payee, channels.stranger):
        with refused("endings: not the payer"):
            channels.send(channels.contract.ask_withdrawal(terms), who)
    channels.send(channels.contract.ask_withdrawal(terms), channels.authorizer)
    with refused("endings: already asked"):  # asking again would not put it off either
        channels.send(channels.contract.ask_withdrawal(terms), channels.payer)
    with refused("books: unknown channel"):
        channels.send(channels.contract.ask_withdrawal(channels.terms()), channels.payer)
    channels.send(channels.closing(terms, 0), channels.payee)
    with refused("books: closed"):
        channels.send(channels.contract.ask_withdrawal(terms), channels.payer)


def test_an_expired_channel_gives_the_rest_back_without_asking_and_a_voucher_counts_until_then(channels, refused):
    terms = channels.opened(1_000, expires=channels.now() + LIFE)
    channels.wait(LIFE)
    channels.send(channels.claiming(terms, 250), channels.stranger)
    before = channels.balance(channels.payer)
    channels.send(channels.contract.withdraw(terms), channels.stranger)
    assert channels.balance(channels.payer) - before == 750
    with refused("books: unknown channel"):
        channels.send(channels.contract.withdraw(channels.terms()), channels.payer)


def test_a_plain_transfer_of_the_native_coin_is_refused(ledger):
    channels = Channels(ledger)
    with pytest.raises(Rejected):
        channels.send(Call(channels.address, b"", 5), channels.stranger)
