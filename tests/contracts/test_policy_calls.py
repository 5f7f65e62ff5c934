"""A session acts within rules, payees, caps and buckets; all else is refused, counted, and leaves all as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import tallystick.contracts as contracts
from tallystick.chain.bindings.policy_account import ActionLogged, Denied, LevelSet, Received
from tallystick.chain.bindings.policy_rules import Constraint, PayeeSet, RuleSet
from tallystick.chain.calls import Call
from tallystick.core.digest import keccak
from tests.contracts.policy_kit import (
    ACCOUNT,
    COUNTERPARTY,
    DAY,
    DENIED,
    HOUR,
    INTENT,
    NATIVE,
    NOBODY,
    PLAIN_RULE,
    SESSION,
    TRANSFER,
    Wallet,
    World,
    pay_rule,
    transfer_data,
)
from tests.contracts.policy_shop import Shop
from tests.contracts.token_kit import make_token


@pytest.fixture(scope="module")
def world(ledger):
    return World(ledger)


@pytest.fixture
def wallet(world):
    return Wallet(world)


def test_a_payment_within_the_policy_moves_the_token_and_both_buckets(wallet):
    mined = wallet.pay(400)
    assert wallet.token.balance_of(wallet.payee) == 400
    assert wallet.held() == 999_600
    assert (wallet.available(), wallet.available(SESSION, wallet.session)) == (600, 200)
    data = keccak(transfer_data(wallet.payee, 400))
    link = ActionLogged(
        wallet.account.link_count(), wallet.session, 1, wallet.token.address, wallet.token.address, 400, data, INTENT,
        True, wallet.account.head(),
    )  # fmt: skip
    assert wallet.events(mined) == [link]


@pytest.mark.parametrize(
    ("amount", "reason"),
    [(501, "rules: over the cap"), (2**256 - 1, "rules: over the cap"), (500, ""), (0, "")],
)
def test_a_call_moves_at_most_its_cap(wallet, amount, reason):
    assert wallet.reason(wallet.pay(amount)) == reason
    assert wallet.token.balance_of(wallet.payee) == (0 if reason else amount)


def test_what_is_refused_returns_false_is_counted_and_changes_nothing_else(wallet):
    before = wallet.account.bucket_of(ACCOUNT, NOBODY, wallet.token.address)
    call = wallet.paying(501)
    assert wallet.ledger.call(call.to, call.data, sender=wallet.session) == bytes(32)
    denied, link = wallet.events(wallet.pay(501))
    assert denied == Denied(wallet.session, "rules: over the cap", 1)
    assert (link.result, link.amount, link.kind) == (False, 0, 1)
    assert wallet.events(wallet.pay(501))[0].count == 2
    assert wallet.account.bucket_of(ACCOUNT, NOBODY, wallet.token.address).lifetime_spent == before.lifetime_spent
    assert wallet.available() == 1_000
    assert wallet.account.state_of(wallet.session).denials == 2


def test_the_session_spends_no_more_than_its_bucket_and_all_together_no_more_than_the_accounts(world):
    wallet = Wallet(world, denials_max=0)
    wallet.pay(400)
    assert wallet.reason(wallet.pay(201)) == "buckets: over budget"
    wallet.pay(200)
    other = wallet.stranger
    wallet.change(wallet.account.grant_session(other, wallet.terms()))
    wallet.change(wallet.account.set_bucket(SESSION, other, wallet.token.address, 600, 0, DAY, 2**128 - 1))
    left = wallet.available()
    assert left < 600
    assert wallet.reason(wallet.pay(left + 1, who=other)) == "buckets: over budget"
    assert wallet.reason(wallet.pay(left - 1, who=other)) == ""


def test_a_bucket_fills_evenly_and_not_beyond_its_cap(world):
    wallet = Wallet(world, denials_max=0)
    wallet.pay(500)
    start = wallet.account.bucket_of(ACCOUNT, NOBODY, wallet.token.address)
    assert start.balance == 500
    wallet.wait(DAY // 10)
    now = wallet.now()
    assert wallet.available() == 500 + 1_000 * (now - start.since) // DAY
    wallet.wait(DAY)
    assert wallet.available() == 1_000


def test_counting_often_or_seldom_gives_the_same(world):
    often, seldom = Wallet(world), Wallet(world)
    for wallet in (often, seldom):
        wallet.pay(500)
    for _ in range(5):
        often.wait(97)
        often.send(often.account.accrue(ACCOUNT, NOBODY, often.token.address), often.stranger)
    spent_at = [w.account.bucket_of(ACCOUNT, NOBODY, w.token.address).since for w in (often, seldom)]
    assert abs(often.available() - seldom.available()) <= 1
    assert spent_at[0] <= often.now()


def test_counting_as_often_as_can_be_gains_nothing(world):
    """A unit comes every 17.5 seconds here: half a second a count, given away, would be a unit after 35."""
    wallet = Wallet(world, is_sealed=False, denials_max=0)
    other = make_token(world.ledger, "ordinary")
    wallet.bucket(ACCOUNT, NOBODY, other.address, cap=600, refill=2, period_s=35)
    wallet.bucket(SESSION, wallet.session, other.address, cap=600)
    wallet.rule(other.address, TRANSFER, pay_rule(other.address, 600))
    wallet.send(wallet.account.seal(), wallet.owner)
    other.give(wallet.address, 600)
    assert wallet.reason(wallet.send(wallet.paying(600, token=other), wallet.session)) == ""
    start = wallet.now()
    for _ in range(50):
        wallet.ledger.time = wallet.now() + 24
        wallet.send(wallet.account.accrue(ACCOUNT, NOBODY, other.address), wallet.stranger)
    assert wallet.available(token=other.address) <= 2 * (wallet.now() - start) // 35


def test_a_lifetime_cap_ends_spending_for_good(world, refused):
    wallet = Wallet(world, is_sealed=False, denials_max=0)
    wallet.bucket(SESSION, wallet.session, cap=600, refill=600, lifetime_cap=700)
    wallet.send(wallet.account.seal(), wallet.owner)
    wallet.pay(500)
    wallet.wait(10 * DAY)
    assert wallet.reason(wallet.pay(201)) == "buckets: lifetime spent"
    assert wallet.reason(wallet.pay(200)) == ""
    assert wallet.account.bucket_of(SESSION, wallet.session, wallet.token.address).lifetime_spent == 700
    wallet.wait(10 * DAY)
    assert wallet.reason(wallet.pay(1)) == "buckets: lifetime spent"


def test_a_token_without_buckets_is_not_spent(world, refused):
    wallet = Wallet(world, is_sealed=False, denials_max=0)
    other = make_token(wallet.ledger)
    other.give(wallet.address, 1_000)
    wallet.rule(other.address, TRANSFER, pay_rule(other.address))
    with refused("buckets: no bucket"):
        wallet.send(wallet.account.accrue(ACCOUNT, NOBODY, other.address), wallet.stranger)
    wallet.send(wallet.account.seal(), wallet.owner)
    assert wallet.reason(wallet.send(wallet.paying(1, token=other), wallet.session)) == "buckets: no bucket"
    wallet.change(wallet.account.set_bucket(SESSION, wallet.session, other.address, 10, 0, DAY, 10))
    assert wallet.reason(wallet.send(wallet.paying(1, token=other), wallet.session)) == "buckets: no bucket"
    wallet.change(wallet.account.set_bucket(ACCOUNT, NOBODY, other.address, 10, 0, DAY, 10))
    assert wallet.reason(wallet.send(wallet.paying(1, token=other), wallet.session)) == ""


def test_a_counterparty_with_a_bucket_gets_no_more_than_it_lets_out(world):
    wallet = Wallet(world, denials_max=0)
    wallet.bucket(COUNTERPARTY, wallet.payee, cap=100)  # sealed: it can only take, so it is set at once
    assert wallet.reason(wallet.pay(101)) == "buckets: over budget"
    assert wallet.reason(wallet.pay(100)) == ""
    assert wallet.reason(wallet.pay(1)) == "buckets: over budget"


def test_who_is_not_allowed_no_longer_or_denied_is_not_paid(world):
    wallet = Wallet(world, denials_max=0)
    assert wallet.reason(wallet.pay(1, wallet.stranger)) == "payees: not allowed"
    until = wallet.now() + 60
    (event, _) = wallet.events(wallet.allow(wallet.payee, 1, until))
    assert event == PayeeSet(wallet.address, wallet.payee, 1, until)
    assert wallet.reason(wallet.pay(1)) == ""
    wallet.wait(100)
    assert wallet.reason(wallet.pay(1)) == "payees: not allowed"
    wallet.allow(wallet.payee, DENIED, 0)
    assert wallet.reason(wallet.pay(1)) == "payees: denied"
    assert not wallet.world.rules.is_payee(wallet.address, wallet.payee)


def test_level_four_pays_whom_the_rules_let_through_but_never_the_denied(world):
    wallet = Wallet(world, level=4, denials_max=0)
    assert wallet.reason(wallet.pay(1, wallet.stranger)) == ""
    wallet.allow(wallet.stranger, DENIED, 0)
    assert wallet.reason(wallet.pay(1, wallet.stranger)) == "payees: denied"
    assert wallet.reason(wallet.pay(501, wallet.payee)) == "rules: over the cap"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "rules: no rule"),
        (b"\xa9", "rules: malformed call"),
        (bytes(68), "rules: malformed call"),
        (TRANSFER, "rules: malformed call"),
        (TRANSFER + bytes(63), "rules: malformed call"),
        (TRANSFER + bytes(65), "rules: malformed call"),
        (TRANSFER + b"\x01" + bytes(63), "rules: malformed call"),  # dirt above the payee's address
        (keccak(b"approve(address,uint256)")[:4] + bytes(64), "rules: no rule"),
        (keccak(b"transferFrom(address,address,uint256)")[:4] + bytes(96), "rules: no rule"),
    ],
)
def test_only_exact_calls_of_functions_with_a_rule_go_out(wallet, data, reason):
    call = wallet.account.execute(wallet.token.address, 0, data, INTENT)
    assert wallet.reason(wallet.send(call, wallet.session)) == reason


def test_native_coin_moves_by_its_own_rule_and_buckets(world):
    wallet = Wallet(world, is_sealed=False, denials_max=0)
    wallet.fund(1_000)
    wallet.native_buckets(300)
    wallet.rule(wallet.payee, bytes(4), replace(PLAIN_RULE, value_cap=200))
    wallet.send(wallet.account.seal(), wallet.owner)
    before = wallet.ledger.node.balance(wallet.payee)

    def give(amount, data=b""):
        return wallet.reason(wallet.send(wallet.account.execute(wallet.payee, amount, data, INTENT), wallet.session))

    assert give(201) == "rules: over the value cap"
    assert give(200) == ""
    assert give(101) == "buckets: over budget"
    assert give(50, b"\0\0\0\0") == "rules: malformed call"
    assert give(50, b"1234") == "rules: no rule"
    assert wallet.ledger.node.balance(wallet.payee) == before + 200
    token_call = wallet.account.execute(wallet.token.address, 1, transfer_data(wallet.payee, 1), INTENT)
    assert wallet.reason(wallet.send(token_call, wallet.session)) == "rules: over the value cap"


def test_coin_that_comes_in_is_told(wallet):
    mined = wallet.send(Call(wallet.address, b"", 77), wallet.stranger)
    assert wallet.events(mined) == [Received(wallet.stranger, 77)]


def test_constraints_bound_words_of_the_calldata(world):
    wallet = Wallet(world, is_sealed=False, denials_max=0)
    bounds = (Constraint(1, 10, 20),)
    (event, _) = wallet.events(
        wallet.rule(wallet.token.address, TRANSFER, pay_rule(wallet.token.address, constraints=bounds))
    )
    rule = wallet.world.rules.rule_of(wallet.address, wallet.token.address, TRANSFER)
    assert rule.constraints == bounds
    assert event == RuleSet(wallet.address, wallet.token.address, TRANSFER, rule)
    wallet.send(wallet.account.seal(), wallet.owner)
    for amount, reason in ((9, "rules: word out of bounds"), (10, ""), (20, ""), (21, "rules: word out of bounds")):
        assert wallet.reason(wallet.pay(amount)) == reason


def test_a_rule_may_ask_for_a_higher_level(world):
    wallet = Wallet(world, is_sealed=False)
    wallet.rule(wallet.token.address, TRANSFER, pay_rule(wallet.token.address, min_level=3))
    wallet.send(wallet.account.seal(), wallet.owner)
    assert wallet.reason(wallet.pay(1)) == "rules: level too low"


def test_the_account_its_companions_and_the_entry_point_are_never_targets(world, refused):
    wallet = Wallet(world, is_sealed=False, level=4)
    shop = Shop(wallet)
    own = [wallet.address, world.rules.address, world.queue.address, world.changes.address, world.relay.address]
    for target in [*own, world.entry_point]:
        with refused("rules: target denied"):
            wallet.rule(target, b"abcd", PLAIN_RULE)
    wallet.rule(shop.address, b"abcd", PLAIN_RULE)
    wallet.send(wallet.account.seal(), wallet.owner)
    for target in own[:2]:
        call = wallet.account.execute(target, 0, b"abcd", INTENT)
        assert wallet.reason(wallet.send(call, wallet.session)) == "calls: target denied"
    assert wallet.level() == 4
    with refused("calls: only by itself"):
        wallet.send(wallet.account.perform(wallet.session, 4, wallet.payee, 0, b"", 2, NOBODY, 0), wallet.session)


@pytest.mark.parametrize("kind", ["ordinary", "returns_false"])
def test_a_target_that_refuses_or_says_no_in_words_is_logged_and_not_counted(world, kind):
    wallet = Wallet(world, kind=kind)
    wallet.send(wallet.account.sweep(wallet.token.address, wallet.owner), wallet.owner)
    for _ in range(4):
        (denied, _) = wallet.events(wallet.pay(100))
        assert denied == Denied(wallet.session, "calls: call failed", 0)
    assert wallet.level() == 2
    assert wallet.available() == 1_000


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "0x" + "11" * 20}, {"amount_word": 0}, {"recipient_word": 1}, {"recipient_word": -1},
        {"amount_word": 63}, {"recipient_word": 63}, {"amount_word": -2}, {"recipient_word": -2}, {"value_cap": 1},
        {"token": NATIVE}, {"token": NATIVE, "amount_word": -1}, {"pulls": True}, {"min_level": 5},
        {"constraints": (Constraint(0, 2, 1),)}, {"constraints": (Constraint(63, 0, 1),)},
    ],
)  # fmt: skip
def test_a_rule_that_means_nothing_is_refused(world, refused, changes):
    wallet = Wallet(world, is_sealed=False)
    with refused("rules: bad rule"):
        wallet.rule(wallet.token.address, TRANSFER, pay_rule(**{"address": wallet.token.address, **changes}))


@pytest.mark.parametrize("changes", [{"recipient_word": 0}, {"constraints": (Constraint(0, 0, 1),)}])
def test_a_native_transfer_has_no_arguments(world, refused, changes):
    wallet = Wallet(world, is_sealed=False)
    with refused("rules: bad rule"):
        wallet.rule(wallet.payee, bytes(4), replace(PLAIN_RULE, **changes))


def test_denials_lower_the_level_at_the_limit_and_no_sooner(wallet):
    for expected in (2, 2, 1):
        mined = wallet.pay(501)
        assert wallet.level() == expected
    level_set = next(event for event in wallet.events(mined) if isinstance(event, LevelSet))
    assert level_set == LevelSet(wallet.session, 1, 2, 2)


def test_denials_in_another_window_do_not_add_up(wallet):
    for _ in range(2):
        wallet.pay(501)
    wallet.wait(HOUR)
    wallet.pay(501)
    assert (wallet.level(), wallet.account.state_of(wallet.session).denials) == (2, 1)


def test_what_gives_power_away_can_be_no_rule_and_the_page_spells_it(world, refused):
    """The contract holds selectors, the page functions: each is the other's."""
    wallet = Wallet(world, is_sealed=False)
    page = (Path(__file__).resolve().parents[2] / "docs" / "spec" / "policy-rules.md").read_text("utf-8")
    listed = page.partition("no rule can ever allow:")[2].partition("## Payees")[0]
    functions = [line.strip() for line in listed.splitlines() if line.strip()]
    assert len(functions) > 50
    for function in functions:
        assert world.rules.is_denied(keccak(function.encode())[:4]), function
    source = (Path(contracts.__file__).parent / "src/agents/policy/selectors.vy").read_text("utf-8")
    assert f"_COUNT: constant(uint256) = {len(functions)}\n" in source
    for selector in (keccak(b"approve(address,uint256)")[:4], keccak(b"multicall(bytes[])")[:4]):
        with refused("rules: selector denied"):
            wallet.rule(wallet.token.address, selector, PLAIN_RULE)
        wallet.rule(wallet.token.address, selector, replace(PLAIN_RULE, is_allowed=False))  # may be taken away
    assert not world.rules.is_denied(TRANSFER)
    with refused("payees: no such standing"):
        wallet.allow(wallet.payee, 3)
